"""Synthetic peptides: valid, realistic, the same for one seed."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from pepland_data.chem.notation.monomers import NATURAL, helm, peptide
from pepland_data.errors import InputError
from pepland_data.inputs.synthetic import SWISS_PROT, SynthOptions, peptides, write_peptides
from tests.helpers.commands import cli

EVERYTHING = SynthOptions(600, noncanonical=0.5, cyclic=0.3, bridged=0.3)


def canonical_smiles(text: str, read=Chem.MolFromSmiles) -> str:
    mol = read(text)
    assert mol is not None, text
    return Chem.MolToSmiles(mol)


def test_every_synthetic_smiles_is_a_molecule_with_the_rings_it_promises() -> None:
    for made in peptides(EVERYTHING):
        mol = Chem.MolFromSmiles(made.text("smiles"))
        assert mol is not None, made
        bridges = mol.GetSubstructMatches(Chem.MolFromSmarts("SS"))
        assert len(bridges) == (made.topology == "bridged")
        largest = max((len(r) for r in mol.GetRingInfo().AtomRings()), default=0)
        assert (largest >= 12) == (made.topology != "linear")


def test_natural_residues_are_those_of_the_sequence_reader() -> None:
    for name in NATURAL:
        ours = canonical_smiles(peptide(["G", name, "A"]))
        assert ours == canonical_smiles(f"G{name}A", Chem.MolFromSequence)


def test_helm_and_smiles_of_a_peptide_are_one_molecule() -> None:
    options = SynthOptions(200, 3, "helm", noncanonical=0.6, cyclic=0.3, bridged=0.3)
    for made in peptides(options):
        read = canonical_smiles(made.text("helm"), Chem.MolFromHELM)
        assert read == canonical_smiles(made.text("smiles")), made


def test_a_ring_may_begin_and_end_with_any_residue() -> None:
    for head in ("G", "P", "meA", "Aib", "bAla", "dF"):
        text = peptide([head, "A", "K", "L", head], cyclic=True)
        amides = Chem.MolFromSmiles(text).GetSubstructMatches(Chem.MolFromSmarts("[CX3](=O)[NX3]"))
        assert len(amides) == 5


def test_a_bridge_binds_cysteines_only() -> None:
    with pytest.raises(ValueError, match="residue 1 is A"):
        peptide(["C", "A", "G"], bridge=(0, 1))
    assert helm("CAGC", bridge=(0, 3)) == "PEPTIDE1{C.A.G.C}$PEPTIDE1,PEPTIDE1,1:R3-4:R3$$$"


def test_the_same_seed_gives_the_same_rows_and_fewer_are_the_first_of_more() -> None:
    some, more = list(peptides(SynthOptions(50, 7))), list(peptides(SynthOptions(5000, 7)))
    assert some == more[:50]
    assert list(peptides(SynthOptions(50, 8))) != some


def test_shares_lengths_and_frequencies_are_those_asked_for() -> None:
    made = list(peptides(SynthOptions(8000, 1, noncanonical=0.2, cyclic=0.15, bridged=0.1)))
    shapes = Counter(m.topology for m in made)
    assert shapes["cyclic"] / 8000 == pytest.approx(0.15, abs=0.02)
    assert shapes["bridged"] / 8000 == pytest.approx(0.1, abs=0.02)
    assert sum(not m.canonical for m in made) / 8000 == pytest.approx(0.2, abs=0.02)
    lengths = [len(m.names) for m in made]
    assert abs(np.median(lengths) - 14) <= 1
    assert min(lengths) >= 3
    assert max(lengths) <= 50
    letters = Counter(n for m in made if m.canonical and not m.bridge for n in m.names)
    for name, per_cent in SWISS_PROT.items():
        assert letters[name] / letters.total() == pytest.approx(per_cent / 100, abs=0.006)


def test_known_rows_never_change() -> None:
    first = [m.label() for m in peptides(SynthOptions(3, 0))]
    assert first == KNOWN


KNOWN = [
    "P-F-I-P-P-I-R-K-F-A-Y-A-G-L-L-N-F-N",
    "G-G-N-R-I-L-G-S-I-E-T-A-M-Q-I-V-I-E-G-G-A-T-Y-E-A-A-E-K",
    "Ac-V-S-K-L-K-bAla-Cha-T-NH2",
]


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.smi", "p.txt", "p.csv.gz"])
def test_each_file_kind_holds_all_rows_and_is_the_same_twice(tmp_path: Path, name: str) -> None:
    write_peptides(tmp_path / name, EVERYTHING)
    once = (tmp_path / name).read_bytes()
    write_peptides(tmp_path / name, EVERYTHING)
    assert (tmp_path / name).read_bytes() == once
    lines = (gzip.decompress(once) if name.endswith(".gz") else once).decode().splitlines()
    assert len(lines) == 600 + ("csv" in name or "tsv" in name)


@pytest.mark.parametrize(
    "flags",
    [
        {"form": "fasta"},
        {"cyclic": 0.7, "bridged": 0.7},
        {"form": "sequence"},
        {"min_length": 9, "median_length": 5},
        {"max_length": 4, "median_length": 3},
        {"noncanonical": 1.5},
    ],
)
def test_impossible_wishes_are_refused(flags: dict[str, object]) -> None:
    with pytest.raises(InputError):
        SynthOptions(**flags)  # type: ignore[arg-type]


def test_the_command_writes_a_file_that_build_takes(tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    done = cli("synth", str(out), "--count", "12", "--form", "sequence", "--json")
    assert json.loads(done.stdout)["kinds"] == {"canonical": 12}
    built = cli("build", str(out), "--input-format", "sequence", "--out", str(tmp_path / "s"))
    assert built.returncode == 0
    assert cli("synth", str(tmp_path / "p.pdf")).returncode == 1
