"""A batch whose pieces are known becomes graphs without its molecules."""

import numpy as np
import pytest
from rdkit import Chem

from pepland_data.chem.fast import fast_path
from pepland_data.chem.fast.fast_path import CannotCutError, FastPath
from pepland_data.chem.fast.molecule_batch import MoleculeBatch, batch_molecules
from pepland_data.chem.fast.rdkit_records import read_rdkit_records
from pepland_data.chem.plain_path import plain_graph
from pepland_data.graph.columns import columns_of_one, concat
from pepland_data.graph.table_builder import TableBuilder

TEXTS = [
    "C",
    "[Na+].[Cl-]",  # no bonds
    "CCO.CC",  # no cuts: one piece of two components
    "NCC(=O)NCC(=O)O.[Na+].Cl",
    "CC(=O)NC(=O)CC",  # its bonds are found twice
    "O=C1CNC(=O)N1CC",
    "CC(=O)N1CCC[C@H]1C(=O)N1CCC[C@H]1C(=O)O",  # two cuts between the same fragments
    "C1C2NC(=O)C1C2",  # a cut bond inside of a piece
    "C/C=C/C(=O)NCC(=O)NC/C=C\\C",  # pieces without a key
]


def batch_of(path: FastPath, texts: list[str]) -> MoleculeBatch:
    mols = [Chem.MolFromSmiles(text) for text in texts]
    return batch_molecules(mols, [read_rdkit_records(mol) for mol in mols], path.distinct)


@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
def test_special_molecules_have_the_columns_of_the_plain_path(cut: str) -> None:
    path = FastPath(cut, TableBuilder())
    batch = batch_of(path, TEXTS)
    for _ in range(2):
        columns = path.graphs_of_batch(batch)
        wanted = concat([columns_of_one(plain_graph(m, cut, path.tables)) for m in batch.mols])
        for name, values in vars(wanted).items():
            np.testing.assert_array_equal(getattr(columns, name), values, err_msg=name)


def test_a_molecule_is_asked_for_only_if_something_of_it_is_new() -> None:
    class Asked(list):
        def __getitem__(self, m):
            asked.add(m)
            return super().__getitem__(m)

    path, asked = FastPath("adafrag", TableBuilder()), set()
    batch = batch_of(path, [*TEXTS, "CCF"])
    path.graphs_of_batch(batch_of(path, TEXTS))
    path.graphs_of_batch(MoleculeBatch(**vars(batch) | {"mols": Asked(batch.mols)}))
    assert asked == {len(TEXTS) - 1, len(TEXTS)}


def test_no_molecules_become_no_graphs() -> None:
    path = FastPath("adafrag", TableBuilder())
    assert len(path.graphs_of_batch(batch_of(path, []))) == 0


def test_the_pieces_of_other_molecules_are_kept_if_one_cannot_be_cut(monkeypatch) -> None:
    def solve(mol, *others):
        if mol.HasSubstructMatch(Chem.MolFromSmarts("F")):
            raise ValueError("fluorine")
        return solve_pieces(mol, *others)

    solve_pieces = fast_path.solve_pieces
    monkeypatch.setattr(fast_path, "solve_pieces", solve)
    path, watched = FastPath("adafrag", TableBuilder()), []
    with pytest.raises(CannotCutError) as error:
        path.graphs_of_batch(batch_of(path, ["CCO", "CCF", "CCN"]), watched.append)
    assert error.value.reasons == {1: "fluorine"}
    assert list(dict.fromkeys(watched)) == [0, 1, 2, None]
    assert len(path.cache.fragment_code) == 2
    watched.clear()
    path.graphs_of_batch(batch_of(path, ["CCO", "CCN"]), watched.append)
    assert watched == []
