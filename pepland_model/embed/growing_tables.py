"""Feature tables that only grow, so that codes stay valid, and with them states kept by code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pepland_data.batch.arrays import BatchTables
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import FeatureTables, Recode, table_keys
from pepland_data.graph.table_builder import RowCodes, TableBuilder

MAX_FRAGMENT_ROWS = 100_000
"""Distinct fragments after which the tables are emptied."""


class GrowingTables:
    """The union of all tables seen so far; new rows are appended."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._clear()

    def _clear(self) -> None:
        self._rows = TableBuilder()
        self._sizes = self._lengths()
        self.tables = BatchTables.from_tables(self._rows.freeze(), self.device)

    def recode(self, columns: GraphColumns, tables: FeatureTables) -> GraphColumns:
        """Return graphs with codes for `self.tables`, after appending the rows these lack.

        Args:
            columns: any graphs.
            tables: feature tables of these graphs, without unused rows.
        """
        if len(self._rows.fragments.rows) > MAX_FRAGMENT_ROWS:
            self._clear()
        atoms, bonds, fragments = table_keys(tables)
        recode = Recode(
            _codes(self._rows.atoms, atoms),
            _codes(self._rows.bonds, bonds),
            _codes(self._rows.fragments, fragments),
        )
        if self._lengths() != self._sizes:
            self._sizes = self._lengths()
            self.tables = BatchTables.from_tables(self._rows.freeze(), self.device)
        return columns.recode(recode)

    def _lengths(self) -> tuple[int, ...]:
        rows = (self._rows.atoms, self._rows.bonds, self._rows.fragments)
        return tuple(len(codes.rows) for codes in rows)


def _codes(codes: RowCodes, keys: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Return the code of each row; row 0 is the mask row in every table."""
    return np.array([0, *(codes.code(key) for key in keys[1:])], np.int64)
