"""Feature tables that grow while graphs are made: a new row is added and gets the next code."""

from __future__ import annotations

from typing import Any

from pepland_data.graph.feature_tables import FeatureTables, empty_keys, tables_from_keys


class RowCodes:
    """One growing table: its distinct rows in the order of their codes."""

    def __init__(self, mask: Any) -> None:
        """Start with the mask row as code 0."""
        self.rows: list[Any] = [mask]
        self._code: dict[Any, int] = {}

    def code(self, row: Any) -> int:
        """Return the code of a row, and add the row if it is new."""
        code = self._code.get(row)
        if code is None:
            code = self._code[row] = len(self.rows)
            self.rows.append(row)
        return code


class TableBuilder:
    """The growing atom, bond and fragment tables."""

    def __init__(self) -> None:
        self.atoms, self.bonds, self.fragments = (RowCodes(mask) for (mask,) in empty_keys())

    def freeze(self) -> FeatureTables:
        """Return the rows added so far as feature tables."""
        return tables_from_keys((self.atoms.rows, self.bonds.rows, self.fragments.rows))
