"""Where texts are cut, what a key holds, and which answers of RDKit may be remembered."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from rdkit import Chem

from pepland_data.chem.fast.molecule_batch import DistinctRecords, MoleculeBatch, batch_molecules
from pepland_data.chem.fast.rdkit_records import read_rdkit_records
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.chem.smiles.known_pieces import REFUSED, UNKNOWN, KnownPieces
from pepland_data.chem.smiles.pieces import WrittenPieces, cut_into_written_pieces
from pepland_data.chem.smiles.smiles_path import SmilesBatch
from pepland_data.chem.smiles.written_rows import read_rows
from tests.helpers.odd_molecules import odd_molecules, sample_smiles

MAX_ATOMS = 5000


def pieces_of(text: str) -> tuple[WrittenPieces, list[tuple[int, ...]]]:
    """Return the pieces of one text, and the atoms of each."""
    rows = read_rows([text])
    assert rows.read.all(), text
    pieces = cut_into_written_pieces(rows)
    parts = np.split(pieces.atom, pieces.atom_ptr[1:-1])
    return pieces, [tuple(part.tolist()) for part in parts]


def keys(text: str) -> list[bytes]:
    pieces, _ = pieces_of(text)
    return [part.tobytes() for part in np.split(pieces.words, pieces.word_ptr[1:-1])]


@pytest.mark.parametrize(
    ("text", "count", "why"),
    [
        ("NCC(=O)NCC(=O)O", 2, "an amide"),
        ("NC(=O)NC", 3, "a urea, at both nitrogens"),
        ("CC(=O)OC", 2, "an ester"),
        ("CC(=O)O", 1, "an acid has no second neighbour"),
        ("CSSC", 2, "a disulfide"),
        ("CC(=O)N1CCC[C@H]1C", 2, "a nitrogen in a small ring, not the bond"),
        ("O=C1CNC(=O)CN1", 1, "a small ring of amides"),
        ("O=C1CCCCCCCCCCN1", 1, "a ring of twelve"),
        ("O=C1CCCCCCCCCCCN1", 1, "one cut opens a ring of thirteen, and it stays one piece"),
        ("O=C1CCCCCNC(=O)CCCCCCCN1", 2, "two cuts divide a large ring"),
        ("CC(=O)n1cccc1", 1, "an aromatic nitrogen"),
        ("CC(=O)N1C=CC=C1", 1, "a nitrogen that becomes aromatic"),
        ("O=c1cccc[nH]1", 1, "an aromatic amide"),
        ("O=C1C=CC=CN1", 1, "an amide that becomes aromatic"),
        ("CC(=S)NC", 1, "a thioamide"),
        ("CC(=O)[NH+](C)C", 1, "a charge"),
        ("CC(=[OH+])NC", 1, "a charge on the oxygen"),
        ("CC(=N)NC", 1, "an amidine"),
        ("CC(=O)C", 1, "a ketone"),
    ],
)
def test_where_a_text_is_cut(text: str, count: int, why: str) -> None:
    assert len(pieces_of(text)[1]) == count, why


def test_pieces_are_numbered_by_their_first_atoms_and_hold_all_atoms() -> None:
    for text in sample_smiles()[:100]:
        _, parts = pieces_of(text)
        assert [part[0] for part in parts] == sorted(part[0] for part in parts)
        assert sorted(atom for part in parts for atom in part) == list(range(sum(map(len, parts))))


def test_a_residue_has_the_same_key_in_every_sequence() -> None:
    inner = {keys(f"N[C@@H](C)C(=O)NCC(=O)N[C@@H]({side})C(=O)O")[1] for side in ("C", "CO", "CCC")}
    assert len(inner) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CC(=O)N[C@H](F)C", "CC(=O)N[C@@H](F)C"),
        ("CC(=O)NC", "CC(=O)N(C)C"),
        ("CC(=O)NC", "CC(=O)OC"),
        ("FCC(=O)NC", "FC(F)C(=O)NC"),
        ("O=C1CCCCCNC(=O)CCCCCCCN1", "O=CCCCCCNC(=O)CCCCCCCN"),
        ("[C@]12(F)OC1N2", "[C@]21(F)OC1N2"),
        ("C1CC1", "CCC"),
        ("[13CH3]C", "[CH3]C"),
        ("CCO", "[CH3]CO"),
    ],
)
def test_keys_tell_apart_what_rdkit_may_answer_differently(one: str, other: str) -> None:
    assert set(keys(one)) != set(keys(other))


def ask(texts: list[str], known: KnownPieces, distinct: DistinctRecords) -> SmilesBatch:
    """Let RDKit read all texts and return them as a batch of known pieces."""
    batch = SmilesBatch(texts, known, distinct)
    with RdkitMessages():
        for row, text in enumerate(texts):
            if (mol := Chem.MolFromSmiles(text)) and (records := read_rdkit_records(mol)):
                batch.learn(row, mol, records)
    return batch


def expected(texts: Iterable[str], distinct: DistinctRecords) -> MoleculeBatch:
    with RdkitMessages():
        mols = [Chem.MolFromSmiles(text) for text in texts]
    assert all(mols)
    return batch_molecules(mols, [read_rdkit_records(mol) for mol in mols], distinct)


def assert_equal(one: MoleculeBatch, other: MoleculeBatch) -> None:
    for name, values in vars(other).items():
        if name != "mols":
            np.testing.assert_array_equal(getattr(one, name), values, err_msg=name)


@pytest.mark.parametrize("texts", [sample_smiles()[:300], odd_molecules(500, 11)])
def test_molecules_from_known_pieces_are_those_of_rdkit(texts: list[str]) -> None:
    known, distinct = KnownPieces(), DistinctRecords()
    ask(texts, known, distinct)
    shuffled = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]
    batch = SmilesBatch(shuffled, known, distinct)
    rows = batch.known(MAX_ATOMS)
    assert rows.mean() > 0.7
    found = [shuffled[row] for row in np.flatnonzero(rows)]
    assert_equal(batch.molecules(rows), expected(found, distinct))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("CNC(=O)[C@H](C)C(=O)NCC", "branches that differ beyond the cuts"),
        ("CNC(=O)[C@H](C)C(=O)NC", "equal branches"),
        ("C[C@H](O)C", "no stereo centre"),
        ("C[C@H]1CC[C@H](C)CC1", "stereo of a ring"),
        ("CC[C@H](CCCCCCCF)CCCCCCCCl", "branches that differ far away"),
        ("C[S@](=O)CC", "a centre that is no carbon"),
        ("C[N@@H+](CC)CCC", "a nitrogen"),
        ("c1ccc1", "small letters that are not aromatic"),
        ("c1ccc2c(c1)c1ccccc21", "a bond written as aromatic that is none"),
    ],
)
def test_an_answer_that_may_not_hold_elsewhere_is_refused(text: str, why: str) -> None:
    known = KnownPieces()
    batch = ask([text], known, DistinctRecords())
    assert not batch.known(MAX_ATOMS).any(), why
    assert REFUSED in known.look_up(*words(text)), why


def words(text: str) -> tuple[np.ndarray, np.ndarray]:
    pieces, _ = pieces_of(text)
    return pieces.words, pieces.word_ptr


@pytest.mark.parametrize(
    "text",
    [
        "N[C@@H](C)C(=O)O", "N[C@@H]([C@@H](C)CC)C(=O)N", "C[C@](N)(CC)C(=O)O", "OC(=O)[C@H]1CCCN1",
        "N[C@@H](COP(=O)(O)O)C(=O)O", "c1ccc2c(c1)[nH]cc2C[C@H](N)C(=O)O", "O=c1cc[nH]cc1",
        "C[N+](=O)[O-]", "CN(=O)=O", "CC(=O)N1C=CC=C1", "CSSC", "CS(=O)(=O)N", "C[C@@H](F)C(=O)NC",
    ],
)  # fmt: skip
def test_an_answer_that_holds_everywhere_is_remembered(text: str) -> None:
    known, distinct = KnownPieces(), DistinctRecords()
    ask([text], known, distinct)
    batch = SmilesBatch([text], known, distinct)
    assert batch.known(MAX_ATOMS).all()
    assert_equal(batch.molecules(np.ones(1, bool)), expected([text], distinct))


def test_two_molecules_of_equal_keys_and_different_answers_are_both_left_to_rdkit() -> None:
    """The centre is one only in the first; its key is the same in both."""
    one, other = "CNC(=O)[C@H](C)C(=O)NCC", "CNC(=O)[C@H](C)C(=O)NC"
    assert keys(one)[1] == keys(other)[1]
    known, distinct = KnownPieces(), DistinctRecords()
    ask([one], known, distinct)
    assert not SmilesBatch([other], known, distinct).known(MAX_ATOMS).any()


def test_rdkit_reads_one_text_for_each_unknown_piece() -> None:
    texts = ["NCC(=O)NCC(=O)O", "NCC(=O)NCC(=O)NCC(=O)O", "NCC(=O)O", "NCC(=O)NCC(=O)O", "F/C=C/F"]
    known, distinct = KnownPieces(), DistinctRecords()
    batch = SmilesBatch(texts, known, distinct)
    assert batch.to_ask(np.ones(5, bool)) == [0, 1, 2, 4]
    ask([texts[1]], known, distinct)
    assert batch.known(MAX_ATOMS).tolist() == [True, True, False, True, False]
    assert batch.known(8).tolist() == [False, False, False, False, False]


def test_too_many_keys_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownPieces()
    ask(["NCC(=O)NCC(=O)O"], known, DistinctRecords())
    assert len(known) == 2
    known.make_room()
    assert len(known) == 2
    monkeypatch.setattr("pepland_data.chem.smiles.known_pieces.MAX_KEY_BYTES", 10)
    known.make_room()
    assert len(known) == 0
    assert known.look_up(*words("NCC(=O)NCC(=O)O")).tolist() == [UNKNOWN] * 2
