"""The few distinct feature rows that every code points into.

A corpus of millions of peptides has a few dozen different atom and bond rows and a few hundred
fragments, so each distinct row is kept once and a graph is integers into these tables. Code 0 of
every table is the mask row: masking a node is writing 0 over its code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MASK_CODE = 0
ATOM_WIDTH, BOND_WIDTH, FRAGMENT_WIDTH = 42, 14, 196
BARE_AMIDE = "NC=O"
"""The fragment whose atoms are never masked in mode ``pep``."""


def atom_mask_row() -> npt.NDArray[np.float32]:
    """Return the atom mask row: the last slot of each one-hot group, 0 and 0.01. [42] float32."""
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
    """Distinct rows of one graph, shard or store. Row 0 of each table is the mask row."""

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
        """[Uf] bool, False for the bare amide, whose atoms mode ``pep`` leaves alone."""
        return np.array([smiles != BARE_AMIDE for smiles in self.fragment_smiles], bool)

    def same_as(self, other: FeatureTables) -> bool:
        """Return whether both hold the same rows in the same order."""
        return table_keys(self) == table_keys(other)


AtomKey = tuple[int, int, bytes]
FragmentKey = tuple[str, bytes]
TableKeys = tuple[list[AtomKey], list[bytes], list[FragmentKey]]


def table_keys(tables: FeatureTables) -> TableKeys:
    """Return per table the row contents as sortable keys, in code order, mask row included."""
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
    """Return the tables whose rows have these keys (mask row first), undoing `table_keys`."""
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
    """Return keys of tables that hold the mask rows only."""
    mask_atom = (-1, -1, atom_mask_row().tobytes())
    return [mask_atom], [bond_mask_row().tobytes()], [("", fragment_mask_row().tobytes())]


@dataclass(frozen=True, eq=False)
class Recode:
    """Where each code of one set of tables went in another: ``new = recode.atom[old]``."""

    atom: npt.NDArray[np.int64]
    bond: npt.NDArray[np.int64]
    fragment: npt.NDArray[np.int64]


class TableIndex:
    """Where each row of some tables is."""

    def __init__(self, tables: FeatureTables) -> None:
        atoms, bonds, fragments = table_keys(tables)
        self._atom = {row: code for code, row in enumerate(atoms)}
        self._bond = {row: code for code, row in enumerate(bonds)}
        self._fragment = {row: code for code, row in enumerate(fragments)}

    def recode(self, part: FeatureTables) -> Recode:
        """Return where the codes of `part`, all of whose rows are here, go."""
        atoms, bonds, fragments = table_keys(part)
        return Recode(
            np.array([self._atom[row] for row in atoms], np.int64),
            np.array([self._bond[row] for row in bonds], np.int64),
            np.array([self._fragment[row] for row in fragments], np.int64),
        )


def union_tables(parts: Iterable[FeatureTables]) -> FeatureTables:
    """Return the union of tables in canonical order, looking at one after the other.

    Canonical order is the mask row, then all other rows sorted by content, so the result does
    not depend on the order of the parts or of the rows inside them.
    """
    masks = empty_keys()
    found: tuple[set[AtomKey], set[bytes], set[FragmentKey]] = (set(), set(), set())
    for part in parts:
        atoms, bonds, fragments = table_keys(part)
        found[0].update(atoms)
        found[1].update(bonds)
        found[2].update(fragments)
    return tables_from_keys(
        (
            masks[0] + sorted(found[0].difference(masks[0])),
            masks[1] + sorted(found[1].difference(masks[1])),
            masks[2] + sorted(found[2].difference(masks[2])),
        )
    )


def merge_tables(parts: Sequence[FeatureTables]) -> tuple[FeatureTables, list[Recode]]:
    """Return the union of tables in canonical order, and for each part how its codes change."""
    tables = union_tables(parts)
    index = TableIndex(tables)
    return tables, [index.recode(part) for part in parts]


def used_rows(
    tables: FeatureTables,
    atom_code: npt.NDArray[Any],
    bond_code: npt.NDArray[Any],
    fragment_code: npt.NDArray[Any],
) -> tuple[FeatureTables, Recode]:
    """Return tables of the mask row and the rows named by the codes, in canonical order.

    Returns:
        The tables, and where each old code went; codes that are not used become 0.
    """
    atom, bond, fragment = (
        np.union1d([MASK_CODE], code).astype(np.int64)
        for code in (atom_code, bond_code, fragment_code)
    )
    kept = FeatureTables(
        atom_x=tables.atom_x[atom],
        atom_label=tables.atom_label[atom],
        bond_x=tables.bond_x[bond],
        fragment_x=tables.fragment_x[fragment],
        fragment_smiles=tuple(tables.fragment_smiles[i] for i in fragment),
    )
    merged, (recode,) = merge_tables([kept])
    return merged, Recode(
        _scatter(len(tables.atom_x), atom, recode.atom),
        _scatter(len(tables.bond_x), bond, recode.bond),
        _scatter(len(tables.fragment_x), fragment, recode.fragment),
    )


def _scatter(
    size: int, where: npt.NDArray[np.int64], values: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    full = np.zeros(size, np.int64)
    full[where] = values
    return full
