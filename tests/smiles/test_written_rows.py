"""Texts are read as RDKit reads them, or not at all."""

from __future__ import annotations

import random

import numpy as np
import pytest
from rdkit import Chem

from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.chem.smiles.rings import bonds_of_atoms, in_small_ring, ring_bonds
from pepland_data.chem.smiles.written_rows import MAX_ATOMS, TYPE, WrittenRows, read_rows
from tests.helpers.odd_molecules import odd_molecules, sample_smiles

BOND_TYPES = {1: 1, 2: 2, 3: 3, 12: 4}
"""RDKit's number of a bond type -> the type as written."""
UNREAD = [
    "", " ", "C ", " C", "C\tname", "C |t:1|", "*", "C*", "F/C=C/F", "F\\C=C\\F", "C$C", "C~C",
    "C>C", "[H]C", "[2H]C", "[CH3:1]C", "[C@TH1](F)(Cl)(Br)I", "[Fe]", "[#6]", "[Xx]", "[C",
    "C]", "[]", "C(C", "C)C", "()", "C()C", "(C)C", "C((C))C", "C(C))C", "C1CC", "C11", "C1C1C",
    "C12CC12", "C1(C1)C", "C1.C1.C1", "C12.C12", "C=1CC-1", "C%1CC%1", "C%(12)CC%(12)", "C=",
    "=C", "C==C", "C-=C", "C(=)C", "C.", ".C", "C..C", "C.(C)", "1CC1", "C(1CC1)C", "C(C)1CC1",
    "C(C)=1CC1", "C12345CCCC12345", "[C@@@H](F)(Cl)Br", "[1234C]", "[C+9]", "[Na]C", "[Zn](C)C",
]  # fmt: skip


def bonds(rows: WrittenRows, row: int) -> list[tuple[int, int, int]]:
    """Return begin atom, end atom and type of the bonds of a text."""
    first, part = rows.atom_ptr[row], slice(rows.bond_ptr[row], rows.bond_ptr[row + 1])
    ends = rows.begin[part] - first, rows.end[part] - first
    return list(zip(*(values.tolist() for values in (*ends, rows.kind[part] & TYPE)), strict=True))


def assert_same(rows: WrittenRows, row: int, text: str) -> None:
    """Compare what was read with RDKit's molecule before it is sanitised."""
    mol = Chem.MolFromSmiles(text, sanitize=False)
    assert mol is not None, text
    token = rows.token[rows.atom_ptr[row] : rows.atom_ptr[row + 1]]
    atoms = list(mol.GetAtoms())
    assert (token & 127).tolist() == [a.GetAtomicNum() for a in atoms], text
    assert (token >> 7 & 1).tolist() == [int(a.GetIsAromatic()) for a in atoms], text
    assert ((token >> 9 & 15) - 8).tolist() == [a.GetFormalCharge() for a in atoms], text
    assert (token >> 13 & 15).tolist() == [a.GetNumExplicitHs() for a in atoms], text
    assert (token >> 17 & 3 > 0).tolist() == [int(a.GetChiralTag()) > 0 for a in atoms], text
    assert (token >> 19).tolist() == [a.GetIsotope() for a in atoms], text
    assert bonds(rows, row) == [
        (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), BOND_TYPES[int(b.GetBondType())])
        for b in mol.GetBonds()
    ], text


def mutated(texts: list[str], seed: int) -> list[str]:
    """Return each text with one or two characters replaced, deleted or inserted."""
    rng, made = random.Random(seed), []
    for text in texts:
        letters = list(text)
        for _ in range(rng.choice((1, 1, 2))):
            place = rng.randrange(len(letters))
            letters[place : place + rng.randint(0, 1)] = rng.choice(
                ["", *"CNOS()=#123[]@+-cno.Fl%"]
            )
        made.append("".join(letters))
    return made


@pytest.mark.parametrize("texts", [sample_smiles(), odd_molecules(300, 7)], ids=["peptides", "odd"])
def test_atoms_and_bonds_are_those_of_rdkit_in_its_order(texts: list[str]) -> None:
    rows = read_rows(texts)
    assert rows.read.mean() > 0.75
    for row in np.flatnonzero(rows.read).tolist():
        assert_same(rows, row, texts[row])


def test_a_text_with_a_mistake_is_read_as_rdkit_reads_it_or_not_at_all() -> None:
    texts = mutated([*sample_smiles()[:400], *odd_molecules(400, 8)], seed=1)
    rows = read_rows(texts)
    assert rows.read.sum() > 50
    with RdkitMessages():
        for row in np.flatnonzero(rows.read).tolist():
            assert_same(rows, row, texts[row])


@pytest.mark.parametrize("text", UNREAD)
def test_what_is_unusual_or_wrong_is_not_read(text: str) -> None:
    rows = read_rows(["CC", text, "CO"])
    assert rows.read.tolist() == [True, False, True]
    assert rows.atom_ptr.tolist() == [0, 2, 2, 4]


@pytest.mark.parametrize(
    "text",
    [
        "C%12CC%12", "C=1CCC1", "C1CCC=1", "C=1CCC=1", "C12CC1C2", "C1.C1", "[Na+].[Cl-]", "C-C",
        "c1ccccc1", "c1ccccc1-c1ccccc1", "C:C", "[13CH3][N+](C)(C)[O-]", "[nH]1cccc1",
        "[se]1cccc1", "BrCCl", "[Si](C)(C)C", "[C@]12(F)OC1N2", "C(=O)([O-])C(F)(Cl)Br",
        "C1CC1C1CC1", "[C++]", "[N-2]", "[CH0]", "[C@@H2]",
    ],
)  # fmt: skip
def test_what_is_read(text: str) -> None:
    rows = read_rows([text])
    assert rows.read.all()
    assert_same(rows, 0, text)


def test_a_text_with_too_many_atoms_is_left_to_rdkit() -> None:
    rows = read_rows(["C" * MAX_ATOMS, "C" * (MAX_ATOMS + 1)])
    assert rows.read.tolist() == [True, False]


def test_the_order_of_ring_closures_at_an_atom_is_kept() -> None:
    texts = ["[C@]12(F)OC1N2", "[C@]21(F)OC1N2"]
    turns = [read_rows([text]).turns[0] for text in texts]
    assert turns[0] != turns[1]


def test_bonds_in_rings_are_those_of_rdkit() -> None:
    texts = [*sample_smiles()[:200], *odd_molecules(200, 9)]
    rows = read_rows(texts)
    ptr, listed = bonds_of_atoms(rows.begin, rows.end, len(rows.token))
    everywhere = np.ones(len(rows.token), np.bool_)
    found = ring_bonds(rows.begin, rows.end, ptr, listed, everywhere)
    for row in np.flatnonzero(rows.read).tolist():
        mol = Chem.MolFromSmiles(texts[row])
        expected = [bond.IsInRing() for bond in mol.GetBonds()]
        assert found[rows.bond_ptr[row] : rows.bond_ptr[row + 1]].tolist() == expected, texts[row]


@pytest.mark.parametrize(
    "text", ["C1CCCCC1", "C1CC2CCC1C2", "C1CCCCCCCCCCCC1", "C1CC1CC1CC1", "CCC"]
)
def test_the_smallest_ring_of_a_bond(text: str) -> None:
    rows, mol = read_rows([text]), Chem.MolFromSmiles(text)
    graph = rows.begin, rows.end, *bonds_of_atoms(rows.begin, rows.end, len(rows.token))
    for bond in range(len(rows.begin)):
        smallest = mol.GetRingInfo().MinBondRingSize(bond)
        for size in range(3, 15):
            scratch = np.zeros(len(rows.token), np.int64), np.zeros(len(rows.token), np.int64)
            assert in_small_ring(bond, size, *graph, *scratch) == (0 < smallest <= size)
