"""Feature tables that only ever grow, so that codes, and states kept by code, stay valid."""

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
"""Tables with more distinct fragments start afresh."""


class GrowingTables:
    """The union of all tables met so far; new rows join at the end."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._forget()

    def _forget(self) -> None:
        self._rows = TableBuilder()
        self._sizes = self._lengths()
        self.tables = BatchTables.from_tables(self._rows.freeze(), self.device)

    def take(self, columns: GraphColumns, tables: FeatureTables) -> GraphColumns:
        """Return graphs with the codes of `self.tables`, which afterwards has all their rows.

        Args:
            columns: any graphs.
            tables: theirs; only rows that are used should be in it.
        """
        if len(self._rows.fragments.rows) > MAX_FRAGMENT_ROWS:
            self._forget()
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
        return tuple(len(interner.rows) for interner in rows)


def _codes(interner: RowCodes, keys: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Return the code of each row; row 0 is the mask row everywhere."""
    return np.array([0, *(interner.code(key) for key in keys[1:])], np.int64)
