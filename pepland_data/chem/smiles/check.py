"""A share of the graphs that were made without RDKit, compared with those that RDKit gives."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from rdkit import Chem

from pepland_data.chem.fast.fast_path import CannotCutError, FastPath
from pepland_data.chem.fast.rdkit_records import read_rdkit_records
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.table_builder import TableBuilder


class GraphCheck:
    """Makes graphs a second time, with RDKit and with tables and caches of its own."""

    def __init__(self, cut: str, share: float) -> None:
        """Set the cut, and the share of all texts to check, 0 to 1."""
        self._path = FastPath(cut, TableBuilder())
        self._below = share * 2**32

    def chooses(self, text: str) -> bool:
        """Return whether a text is checked; this depends on the text alone."""
        return crc32(text.encode()) < self._below

    def differs(self, text: str, graph: GraphColumns, tables: TableBuilder) -> bool:
        """Return whether RDKit gives another graph, or none.

        Args:
            text: a SMILES.
            graph: its graph, with codes into `tables`.
            tables: the feature rows so far.
        """
        return _content(graph, tables) != self._expected(text)

    def _expected(self, text: str) -> list[Any] | None:
        """Return the content of RDKit's graph, None if there is none."""
        mol = Chem.MolFromSmiles(text)
        records = None if mol is None else read_rdkit_records(mol)
        if records is None:
            return None
        self._path.cache.make_room()
        try:
            return _content(self._path.graphs([mol], [records]), self._path.tables)
        except CannotCutError:
            return None


def _content(graph: GraphColumns, tables: TableBuilder) -> list[Any]:
    """Return all columns of a graph, feature rows instead of codes."""
    columns = {name: values.tolist() for name, values in vars(graph).items()}
    for name, rows in (
        ("atom_code", tables.atoms.rows),
        ("bond_code", tables.bonds.rows),
        ("reaction_code", tables.bonds.rows),
        ("fragment_code", tables.fragments.rows),
    ):
        columns[name] = [rows[code] for code in columns[name]]
    return list(columns.values())
