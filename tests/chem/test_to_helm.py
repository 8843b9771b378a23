"""A molecule as HELM: residues by name, one text for each molecule, and never another molecule."""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from pepland_data import FeaturizeOptions, Featurizer
from pepland_data.chem.monomers.given_files import given_monomers
from pepland_data.chem.notation.helm import read_helm
from pepland_data.chem.notation.monomers import MIRRORED, NATURAL, UNUSUAL, helm, peptide
from pepland_data.chem.residues.to_helm import helm_of_molecule
from tests.helpers.monomer_files import MOLECULES, write_library
from tests.helpers.odd_molecules import odd_molecules
from tests.helpers.paths import ROOT

SHARED = ROOT.parent / "shared" / "data"
TEXTS = {
    "PEPTIDE1{A}$$$$": "C[C@H](N)C(=O)O",
    "PEPTIDE1{[dA].G}$$$$": "N[C@H](C)C(=O)NCC(=O)O",
    "PEPTIDE1{[ac].A.[am]}$$$$": "CC(=O)N[C@@H](C)C(=O)N",
    "PEPTIDE1{[Boc].A.[_OMe]}$$$$": "CC(C)(C)OC(=O)N[C@@H](C)C(=O)OC",
    "PEPTIDE1{G.P}$PEPTIDE1,PEPTIDE1,2:R2-1:R1$$$": "O=C1CNC(=O)[C@@H]2CCCN12",
    "PEPTIDE1{A.F.G}$PEPTIDE1,PEPTIDE1,3:R2-1:R1$$$":
        "C1(=O)CNC(=O)[C@H](Cc2ccccc2)NC(=O)[C@H](C)N1",
    "PEPTIDE1{C.A.C}$PEPTIDE1,PEPTIDE1,1:R3-3:R3$$$":
        "N[C@H]1CSSC[C@H](NC(=O)[C@H](C)NC1=O)C(=O)O",
    "PEPTIDE1{C}|PEPTIDE2{C}$PEPTIDE1,PEPTIDE2,1:R3-1:R3$$$":
        "N[C@@H](CSSC[C@H](N)C(=O)O)C(=O)O",
    "PEPTIDE1{K.A.D}$PEPTIDE1,PEPTIDE1,1:R3-3:R3$$$":
        "N[C@H]1CCCCNC(=O)C[C@H](NC(=O)[C@H](C)NC1=O)C(=O)O",
    "PEPTIDE1{D}|PEPTIDE2{G}$PEPTIDE1,PEPTIDE2,1:R3-1:R1$$$": "O=C(O)CNC(=O)C[C@H](N)C(=O)O",
    "PEPTIDE1{G.[Lys_Ac]}$$$$": "NCC(=O)N[C@@H](CCCCNC(C)=O)C(=O)O",
    "PEPTIDE1{[Glp].[Sar].[Aib]}$$$$": "O=C1CC[C@H](N1)C(=O)N(C)CC(=O)NC(C)(C)C(=O)O",
    "PEPTIDE1{A.E.[am]}$$$$": "C[C@H](N)C(=O)N[C@@H](CCC(=O)O)C(N)=O",
    "PEPTIDE1{G.[CC(F)C(N[*:1])C(=O)[*:2]].A}$$$$":
        "NCC(=O)NC(C(F)C)C(=O)N[C@@H](C)C(=O)O",
    "PEPTIDE1{[CC(F)C(N[*:1])C(=O)[*:2]].A}$$$$": "NC(C(F)C)C(=O)N[C@@H](C)C(=O)O",
    "PEPTIDE1{G.G}|CHEM1{[CCCCCCC(=O)[*:1]]}$PEPTIDE1,CHEM1,1:R1-1:R1$$$":
        "CCCCCCC(=O)NCC(=O)NCC(=O)O",
}  # fmt: skip
"""HELM -> the molecule, written by hand in some order."""
NO_PEPTIDE = {
    "CCO": "no residue",
    "c1ccncc1": "no bond between residues",
    "CC(=O)Nc1ccc(O)cc1": "no residue",
    "CCCCCCC(=O)NCC(=O)O": "no peptide",
    "NCC(=O)NCC(=O)O.Cl": "not one molecule",
    "NCC(=O)NCC(=O)O.NCC(=O)NCC(=O)O": "not one molecule",
    "[Na+].[Cl-]": "not one molecule",
    "[Fe]": "atom Fe",
    "*NCC(=O)NCC(=O)O": "an atom *",
    "NCC(=O)NCC(=O)O[Na]": "atom Na",
    "NCC(=O)N[CH]C(=O)O": "atom C",
    "NCC(=O)NC([2H])C(=O)O": "isotopes",
    "NCC(=O)N[13CH2]C(=O)O": "isotopes",
    "C" * 5000: "5,000 atoms",
}


def written(smiles: str) -> str | None:
    return helm_of_molecule(Chem.MolFromSmiles(smiles)).text


def shuffled(mol: Any, rng: random.Random) -> Any:
    order = list(range(mol.GetNumAtoms()))
    rng.shuffle(order)
    return Chem.RenumberAtoms(mol, order)


@pytest.mark.parametrize("text", TEXTS)
def test_a_molecule_is_written_by_its_residues(text: str) -> None:
    assert written(TEXTS[text]) == text


@pytest.mark.parametrize("smiles", NO_PEPTIDE, ids=lambda smiles: smiles[:40])
def test_what_is_no_peptide_gets_a_reason(smiles: str) -> None:
    got = helm_of_molecule(Chem.MolFromSmiles(smiles))
    assert got.text is None
    assert NO_PEPTIDE[smiles] in got.reason


@pytest.mark.parametrize("name", [*NATURAL, *MIRRORED])
def test_residues_are_named_at_both_ends_and_between(name: str) -> None:
    names = [name, "F", name, "F", name]
    assert written(peptide(names)) == helm(names)


@given(st.lists(st.sampled_from([*NATURAL, *MIRRORED]), min_size=2, max_size=12),
       st.booleans(), st.booleans())  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_peptides_with_and_without_caps(names: list[str], cap: bool, amide: bool) -> None:
    acyl = "Ac" if cap else ""
    assert written(peptide(names, acyl, amide=amide)) == helm(names, acyl, amide=amide)


@given(st.lists(st.sampled_from([*NATURAL, *MIRRORED, *UNUSUAL]), min_size=3, max_size=9),
       st.booleans(), st.randoms(use_true_random=False))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_order_of_atoms_does_not_matter(names: list[str], cyclic: bool, rng: Any) -> None:
    mol = Chem.MolFromSmiles(peptide(names, cyclic=cyclic))
    first = helm_of_molecule(mol)
    assert first.text is not None
    assert {helm_of_molecule(shuffled(mol, rng)) for _ in range(3)} == {first}


@given(st.lists(st.sampled_from(["A", "F", "dL", "P"]), min_size=3, max_size=8), st.data())
@settings(max_examples=40, deadline=None)
def test_a_ring_may_be_read_from_any_residue(names: list[str], data: Any) -> None:
    turn = data.draw(st.integers(0, len(names) - 1))
    turned = names[turn:] + names[:turn]
    assert written(peptide(names, cyclic=True)) == written(peptide(turned, cyclic=True))


def test_every_helm_is_read_as_the_molecule() -> None:
    found = 0
    for smiles in odd_molecules(400, seed=5):
        mol = Chem.MolFromSmiles(smiles)
        got = helm_of_molecule(mol)
        assert (got.text is None) == bool(got.reason)
        if got.text is not None:
            found += 1
            assert Chem.MolToSmiles(read_helm(got.text)) == Chem.MolToSmiles(mol)
    assert found > 50


def test_equal_chains_stand_in_one_order() -> None:
    mol = Chem.MolFromSmiles("N[C@@H](CSSC[C@H](NC(=O)CN)C(=O)O)C(=O)NCC(=O)O")
    rng = random.Random(2)
    assert {helm_of_molecule(shuffled(mol, rng)).text for _ in range(20)} == {
        "PEPTIDE1{C.G}|PEPTIDE2{G.C}$PEPTIDE1,PEPTIDE2,1:R3-2:R3$$$"
    }


@pytest.mark.parametrize("text", list(MOLECULES)[:2])
def test_a_given_library_names_its_monomers(tmp_path: Path, text: str) -> None:
    library = given_monomers([write_library(tmp_path / "lib.csv")])
    mol = Chem.MolFromSmiles(MOLECULES[text])
    found = helm_of_molecule(mol, library).text
    assert found == text
    assert Chem.MolToSmiles(read_helm(found, library)) == Chem.MolToSmiles(mol)
    assert helm_of_molecule(mol).text != text


@pytest.mark.parametrize(("name", "least"), [("canonical", 998), ("binding", 1530)])
@pytest.mark.slow
def test_real_peptides_have_the_same_graphs_as_their_helm(name: str, least: int) -> None:
    if not (SHARED / f"{name}.csv").exists():
        pytest.skip("the shared data is absent")
    featurizer = Featurizer(FeaturizeOptions(input_format="auto"))
    found = 0
    with (SHARED / f"{name}.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            mol = Chem.MolFromSmiles(row["smiles"])
            text = None if mol is None else helm_of_molecule(mol).text
            if text is not None:
                found += 1
                one, two = featurizer.featurize(row["smiles"]), featurizer.featurize(text)
                assert features(one) == features(two)
    assert found >= least


def features(graph: Any) -> tuple[Any, ...]:
    """Return what does not depend on the order of atoms: rows of atoms, bonds and fragments.

    The chiral tag does, so it only counts whether an atom has one.
    """
    d = graph.dense()
    rows = d["atom_x"].copy()
    rows[:, 24] += rows[:, 25]
    rows[:, 25] = 0
    atoms = [row.tobytes() for row in rows]
    fragments = [
        (x.tobytes(), str(s)) for x, s in zip(d["fragment_x"], d["fragment_smiles"], strict=True)
    ]
    members = [
        (fragment, tuple(sorted(atoms[i] for i in np.flatnonzero(d["atom_fragment"] == k))))
        for k, fragment in enumerate(fragments)
    ]
    return (
        Counter(atoms),
        Counter(_ends(atoms, d["bond_index"], d["bond_x"])),
        Counter(_ends(fragments, d["reaction_index"], d["reaction_x"])),
        Counter(members),
    )


def _ends(rows: list[Any], index: Any, x: Any) -> list[tuple[Any, Any, bytes]]:
    pairs = zip(*index.tolist(), x, strict=True)
    return [(rows[one], rows[two], row.tobytes()) for one, two, row in pairs]
