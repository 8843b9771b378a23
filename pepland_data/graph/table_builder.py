"""Distinct rows and their codes, for as long as a featurizer lives."""

from __future__ import annotations

from typing import Any

from pepland_data.graph.feature_tables import FeatureTables, empty_keys, tables_from_keys


class RowCodes:
    """Distinct rows in the order of their first appearance; code 0 is the mask row."""

    def __init__(self, first: Any) -> None:
        self.rows: list[Any] = [first]
        self._code: dict[Any, int] = {}

    def code(self, row: Any) -> int:
        """Return the row's code, a new one for a new row."""
        code = self._code.get(row)
        if code is None:
            code = self._code[row] = len(self.rows)
            self.rows.append(row)
        return code


class FirstSeen(dict[Any, int]):
    """Numbers its keys in the order in which they are asked for."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


class TableBuilder:
    """The three interners of a featurizer."""

    def __init__(self) -> None:
        self.atoms, self.bonds, self.fragments = (RowCodes(mask) for (mask,) in empty_keys())

    def freeze(self) -> FeatureTables:
        """Return the rows met so far."""
        return tables_from_keys((self.atoms.rows, self.bonds.rows, self.fragments.rows))
