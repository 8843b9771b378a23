"""Sequences converted by templates have the graphs of RDKit's molecules."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from rdkit import Chem

from pepland_data import FeaturizeOptions, Featurizer
from pepland_data.chem.fast.sequence_path import LETTERS, RESIDUES, helm_residues
from pepland_data.graph.columns import GROUPS
from pepland_data.graph.feature_tables import table_keys

DIPEPTIDES = ["".join(pair) for pair in product(LETTERS, repeat=2)]
TRIPEPTIDES = ["".join(three) for three in product(LETTERS, repeat=3)]


def longer(count: int, seed: int, longest: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices(LETTERS, k=rng.randint(4, longest))) for _ in range(count)]


def rows_of(featurizer: Featurizer, texts: list[str]) -> dict[str, list]:
    """Return the columns with every code replaced by its feature row."""
    made = featurizer.convert(texts)
    assert not made.rejects
    atoms, bonds, fragments = table_keys(made.tables)
    tables = {"atom_code": atoms, "bond_code": bonds, "reaction_code": bonds}
    tables |= {"fragment_code": fragments}
    rows = {name: getattr(made.columns, name).tolist() for name in vars(made.columns)}
    return {k: [tables[k][c] for c in v] if k in tables else v for k, v in rows.items()}


def assert_equal_to_rdkit(
    texts: list[str], cut: str = "adafrag", input_format: str = "sequence"
) -> None:
    options = FeaturizeOptions(cut=cut, input_format=input_format)
    fast, plain = (rows_of(Featurizer(options, fast=which), texts) for which in (True, False))
    for name, expected in plain.items():
        assert fast[name] == expected, name


@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
def test_residues_and_dipeptides_equal_the_plain_path(cut: str) -> None:
    assert_equal_to_rdkit([*LETTERS, *DIPEPTIDES], cut)


def test_some_tripeptides_and_longer_sequences_equal_the_plain_path() -> None:
    assert_equal_to_rdkit([*TRIPEPTIDES[::40], *longer(40, 1, 20), *longer(2, 1, 50)])


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
def test_all_tripeptides_and_2000_longer_sequences_equal_the_plain_path(cut: str) -> None:
    assert_equal_to_rdkit([*TRIPEPTIDES, *longer(2000, 2, 50)], cut)


def test_sequences_smiles_and_rejects_keep_their_positions() -> None:
    texts = ["ACDE", "CCO", "", "PEPTIDEX", "WWWW", "CNPS", "CC", "C1CC"]
    made = Featurizer(FeaturizeOptions(input_format="auto", max_atoms=40)).convert(texts)
    assert made.kept.tolist() == [0, 1, 5, 6]
    assert [(r.position, r.stage) for r in made.rejects] == [
        (2, "parse"), (3, "parse"), (4, "limits"), (7, "parse"),
    ]  # fmt: skip
    atoms = np.diff(made.columns.atom_ptr)
    assert atoms.tolist() == [29, 3, 4, 2], "CNPS and CC are SMILES, ACDE cannot be one"


def test_a_letter_that_is_not_a_residue_is_named() -> None:
    made = Featurizer(FeaturizeOptions(input_format="sequence")).convert(["ACB", "É"])
    assert "'B' stands for aspartate or asparagine: position 3" in made.rejects[0].reason
    assert made.rejects[1].stage == "parse"


def test_every_column_of_no_sequences_is_empty() -> None:
    made = Featurizer(FeaturizeOptions(input_format="sequence")).convert([])
    assert len(made.columns) == 0
    assert all(len(getattr(made.columns, n)) == 0 for names in GROUPS.values() for n in names)


def linear_helm(count: int, seed: int) -> list[str]:
    """Return each residue alone, first and last, and longer peptides, with and without caps."""
    rng, residues = random.Random(seed), sorted(RESIDUES)
    chains = [[*before, name, *after] for name in residues for before in ([], ["[dW]"])
              for after in ([], ["P"])]  # fmt: skip
    chains += [["[Glp]"], ["[Glp]", "A"]]
    chains += [rng.choices(residues, k=rng.randint(2, 20)) for _ in range(count)]
    texts = []
    for chain in chains:
        caps = (
            ["[ac]"] * (rng.random() < 0.4 and chain[0] != "[Glp]"),
            ["[am]"] * (rng.random() < 0.4),
        )
        texts.append(
            f"PEPTIDE1{{{'.'.join([*caps[0], *chain, *caps[1]])}}}$$$${rng.choice(['', 'V2.0'])}"
        )
    return texts


def test_linear_helm_equals_the_plain_path() -> None:
    texts = linear_helm(60, 3)
    assert all(helm_residues(text) and Chem.MolFromHELM(text) for text in texts)
    assert_equal_to_rdkit(texts, input_format="helm")


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
def test_2000_linear_helm_texts_equal_the_plain_path(cut: str) -> None:
    texts = [text for seed in range(4) for text in linear_helm(400, seed)]
    assert_equal_to_rdkit(texts, cut, "helm")


@pytest.mark.parametrize(
    "helm",
    [
        "PEPTIDE1{C.C}$PEPTIDE1,PEPTIDE1,1:R3-2:R3$$$", "PEPTIDE1{[ac].[am]}$$$$",
        "PEPTIDE1{[ac].[Glp]}$$$$", "PEPTIDE1{A.[Glp]}$$$$", "PEPTIDE1{A.[ac]}$$$$",
        "PEPTIDE1{A.[meA]}$$$$", "PEPTIDE1{A}|PEPTIDE2{G}$$$$", "PEPTIDE1{A.[am].G}$$$$",
    ],
)  # fmt: skip
def test_other_helm_has_no_templates(helm: str) -> None:
    assert helm_residues(helm) == []


def test_linear_helm_is_a_duplicate_of_its_smiles_and_obeys_the_limit_of_atoms() -> None:
    texts = ["PEPTIDE1{[ac].A.[am]}$$$$", "CC(=O)N[C@@H](C)C(N)=O", "PEPTIDE1{A.A.A.A}$$$$"]
    options = FeaturizeOptions(input_format="auto", dedup=True, max_atoms=20)
    made = Featurizer(options).convert(texts)
    assert made.identity[0].tolist() == made.identity[1].tolist()
    assert [(r.position, r.stage) for r in made.rejects] == [(2, "limits")]
