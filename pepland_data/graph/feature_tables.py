"""The tables of distinct feature rows; a code is the number of a row in a table.

Millions of peptides have only a few dozen different atom and bond rows and a few hundred different
fragments. Each distinct row is stored once, and graphs hold its code. Code 0 of every table is the
mask row: to mask a node, replace its code by 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
MASK_CODE = 0
ATOM_WIDTH, BOND_WIDTH, FRAGMENT_WIDTH = 42, 14, 196
BARE_AMIDE = "NC=O"
"""The fragment that mask mode ``pep`` never masks."""


def atom_mask_row() -> npt.NDArray[np.float32]:
    """Return the atom mask row: the last slot of each one-hot group, then 0 and 0.01.

    [42] float32.
    """
    row = np.zeros(ATOM_WIDTH, np.float32)
    row[np.cumsum((10, 7, 6, 5, 6, 6)) - 1] = 1
    row[-1] = 0.01
    return row


def bond_mask_row() -> npt.NDArray[np.uint8]:
    """Return the bond mask row: seven zeros and the last stereo slot. [14] uint8."""
    row = np.zeros(BOND_WIDTH, np.uint8)
    row[-1] = 1
    return row


def fragment_mask_row() -> npt.NDArray[np.uint8]:
    """Return the fragment mask row: slots 167 and 195. [196] uint8."""
    row = np.zeros(FRAGMENT_WIDTH, np.uint8)
    row[[167, 195]] = 1
    return row


@dataclass(frozen=True, eq=False)
class FeatureTables:
    """The distinct feature rows of a graph, shard or store; row 0 of each table is the mask row."""

    atom_x: npt.NDArray[np.float32]
    """[Ua, 42] float32, atom features."""
    atom_label: npt.NDArray[np.int16]
    """[Ua, 2] int16: atomic number - 1; chiral tag index. The mask row has (-1, -1)."""
    bond_x: npt.NDArray[np.uint8]
    """[Ub, 14] uint8, bond features; reactions use the same table."""
    fragment_x: npt.NDArray[np.uint8]
    """[Uf, 196] uint8, fragment features."""
    fragment_smiles: tuple[str, ...]
    """[Uf] canonical SMILES of the fragment as cut out; the mask row has ''."""

    @property
    def fragment_maskable(self) -> npt.NDArray[np.bool_]:
        """[Uf] bool, False for the bare amide, which mask mode ``pep`` never masks."""
        return np.array([smiles != BARE_AMIDE for smiles in self.fragment_smiles], bool)

    def take(self, atom: Codes, bond: Codes, fragment: Codes) -> FeatureTables:
        """Return tables of the rows with these codes, in this order."""
        return FeatureTables(
            atom_x=self.atom_x[atom],
            atom_label=self.atom_label[atom],
            bond_x=self.bond_x[bond],
            fragment_x=self.fragment_x[fragment],
            fragment_smiles=tuple(self.fragment_smiles[i] for i in fragment),
        )

    def same_as(self, other: FeatureTables) -> bool:
        """Return whether both have the same rows in the same order."""
        return table_keys(self) == table_keys(other)


AtomKey = tuple[int, int, bytes]
FragmentKey = tuple[str, bytes]
TableKeys = tuple[list[AtomKey], list[bytes], list[FragmentKey]]


def table_keys(tables: FeatureTables) -> TableKeys:
    """Return the rows of each table as sortable keys, in code order, with the mask row."""
    atoms = [
        (int(number), int(chiral), row.tobytes())
        for (number, chiral), row in zip(tables.atom_label, tables.atom_x, strict=True)
    ]
    bonds = [row.tobytes() for row in tables.bond_x]
    fragments = [
        (smiles, row.tobytes())
        for smiles, row in zip(tables.fragment_smiles, tables.fragment_x, strict=True)
    ]
    return atoms, bonds, fragments


def tables_from_keys(keys: TableKeys) -> FeatureTables:
    """Return the tables with these keys (mask row first); the inverse of `table_keys`."""
    atoms, bonds, fragments = keys
    return FeatureTables(
        atom_x=_rows((k[2] for k in atoms), np.float32, ATOM_WIDTH),
        atom_label=np.array([k[:2] for k in atoms], np.int16).reshape(-1, 2),
        bond_x=_rows(bonds, np.uint8, BOND_WIDTH),
        fragment_x=_rows((k[1] for k in fragments), np.uint8, FRAGMENT_WIDTH),
        fragment_smiles=tuple(k[0] for k in fragments),
    )


def _rows(keys: Iterable[bytes], dtype: type[Any], width: int) -> npt.NDArray[Any]:
    return np.frombuffer(b"".join(keys), dtype).reshape(-1, width).copy()


def empty_keys() -> TableKeys:
    """Return the keys of tables that have only the mask rows."""
    mask_atom = (-1, -1, atom_mask_row().tobytes())
    return [mask_atom], [bond_mask_row().tobytes()], [("", fragment_mask_row().tobytes())]


@dataclass(frozen=True, eq=False)
class Recode:
    """The new code for each old code of some tables: ``new = recode.atom[old]``."""

    atom: Codes
    bond: Codes
    fragment: Codes


class TableIndex:
    """Finds the code of a row by its content."""

    def __init__(self, tables: FeatureTables) -> None:
        atoms, bonds, fragments = table_keys(tables)
        self._atom = {row: code for code, row in enumerate(atoms)}
        self._bond = {row: code for code, row in enumerate(bonds)}
        self._fragment = {row: code for code, row in enumerate(fragments)}

    def recode(self, part: FeatureTables) -> Recode:
        """Return the codes here of the rows of `part`; KeyError if a row is missing."""
        atoms, bonds, fragments = table_keys(part)
        return Recode(
            np.array([self._atom[row] for row in atoms], np.int64),
            np.array([self._bond[row] for row in bonds], np.int64),
            np.array([self._fragment[row] for row in fragments], np.int64),
        )


def union_tables(parts: Iterable[FeatureTables]) -> FeatureTables:
    """Return the union of tables in canonical order.

    In canonical order the mask row comes first and all other rows are sorted by content. The result
    therefore does not depend on the order of the parts or of their rows.
    """
    found: tuple[set[Any], ...] = (set(), set(), set())
    for part in parts:
        keys: tuple[list[Any], ...] = table_keys(part)
        for rows, new in zip(found, keys, strict=True):
            rows.update(new)
    masks: tuple[list[Any], ...] = empty_keys()
    atoms, bonds, fragments = (
        [*mask, *sorted(rows.difference(mask))] for mask, rows in zip(masks, found, strict=True)
    )
    return tables_from_keys((atoms, bonds, fragments))


def merge_tables(parts: Sequence[FeatureTables]) -> tuple[FeatureTables, list[Recode]]:
    """Return the union of tables in canonical order, and the new codes of each part."""
    tables = union_tables(parts)
    index = TableIndex(tables)
    return tables, [index.recode(part) for part in parts]
