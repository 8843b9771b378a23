"""Many graphs as flat arrays, the form used by shards, batches and workers.

There are four groups of columns. Each group has a pointer array [G+1]: its entries from ``ptr[i]``
to ``ptr[i+1]`` belong to graph i. All indices are local to their graph. Each bond and each reaction
is stored once, not once per direction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.graph.feature_tables import MASK_CODE, FeatureTables, Recode, merge_tables

IntArray = npt.NDArray[np.integer[Any]]

GROUPS: dict[str, tuple[str, ...]] = {
    "atom": ("atom_code", "atom_fragment"),
    "fragment": ("fragment_code", "fragment_residue"),
    "bond": ("bond_begin", "bond_end", "bond_code"),
    "reaction": ("reaction_begin", "reaction_end", "reaction_code"),
}
"""Group name -> its columns; the group's pointer array is ``<group>_ptr``."""
SIZES = tuple(f"num_{group}s" for group in GROUPS)
"""Names of the sizes of a graph: how many items it has of each group."""


@dataclass(frozen=True, eq=False)
class GraphColumns:
    """G graphs as codes and local indices, of any integer dtype; the pointers are [G+1] int64."""

    atom_ptr: npt.NDArray[np.int64]
    fragment_ptr: npt.NDArray[np.int64]
    bond_ptr: npt.NDArray[np.int64]
    reaction_ptr: npt.NDArray[np.int64]
    atom_code: IntArray
    """[A], code in the atom table, in RDKit atom order."""
    atom_fragment: IntArray
    """[A], fragment of the atom, local to the graph."""
    fragment_code: IntArray
    """[P], code in the fragment table, in the order of ``GetMolFrags``."""
    fragment_residue: IntArray
    """[P], number of the Amiibo piece that contains the fragment (1 if no bond is cut)."""
    bond_begin: IntArray
    """[B], begin atom, local to the graph, in RDKit bond order."""
    bond_end: IntArray
    """[B], end atom, local to the graph."""
    bond_code: IntArray
    """[B], code in the bond table."""
    reaction_begin: IntArray
    """[C], fragment of the begin atom of the cut bond, in RDKit bond order."""
    reaction_end: IntArray
    """[C], fragment of the end atom of the cut bond."""
    reaction_code: IntArray
    """[C], code in the bond table."""

    def __len__(self) -> int:
        return len(self.atom_ptr) - 1

    def sizes(self, group: str) -> npt.NDArray[np.int64]:
        """Return the number of entries of a group in each graph. [G] int64."""
        ptr: npt.NDArray[np.int64] = getattr(self, f"{group}_ptr")
        return np.diff(ptr)

    def take(self, graphs: npt.ArrayLike) -> GraphColumns:
        """Return the chosen graphs in the given order.

        Args:
            graphs: [K] int, graph numbers; a number may occur more than once.
        """
        chosen = np.asarray(graphs, np.int64)
        taken: dict[str, Any] = {}
        for group, names in GROUPS.items():
            ptr = getattr(self, f"{group}_ptr")
            rows, taken[f"{group}_ptr"] = ragged_rows(ptr, chosen)
            taken |= {name: getattr(self, name)[rows] for name in names}
        return GraphColumns(**taken)

    def slice(self, start: int, stop: int) -> GraphColumns:
        """Return the graphs from `start` to `stop`, as views of the columns."""
        part: dict[str, Any] = {}
        for group, names in GROUPS.items():
            ptr = getattr(self, f"{group}_ptr")[start : stop + 1]
            part |= {name: getattr(self, name)[ptr[0] : ptr[-1]] for name in names}
            part[f"{group}_ptr"] = ptr - ptr[0]
        return GraphColumns(**part)

    def recode(self, recode: Recode) -> GraphColumns:
        """Return the same graphs with their codes replaced by codes of other tables."""
        return replace(
            self,
            atom_code=recode.atom[self.atom_code],
            fragment_code=recode.fragment[self.fragment_code],
            bond_code=recode.bond[self.bond_code],
            reaction_code=recode.bond[self.reaction_code],
        )


def pointers(sizes: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the pointers of segments of these sizes, one after the other. [len(sizes)+1] int64."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def ragged_rows(
    ptr: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the flat positions of the chosen segments, and the pointers of the result.

    Args:
        ptr: [G+1] int64, segment i is ``ptr[i]`` to ``ptr[i+1]``.
        chosen: [K] int64, segment numbers.

    Returns:
        positions [sum of sizes] int64 and ptr [K+1] int64.
    """
    starts, sizes = ptr[chosen], ptr[chosen + 1] - ptr[chosen]
    out_ptr = pointers(sizes)
    shift = np.repeat(starts - out_ptr[:-1], sizes)
    return shift + np.arange(out_ptr[-1]), out_ptr


def concat(parts: Sequence[GraphColumns]) -> GraphColumns:
    """Return the graphs of all parts in one object; `parts` must not be empty."""
    joined: dict[str, Any] = {}
    for group, names in GROUPS.items():
        ptrs = [getattr(part, f"{group}_ptr") for part in parts]
        ends = np.cumsum([0, *(ptr[-1] - ptr[0] for ptr in ptrs)])
        shifted = [ptr[1:] - ptr[0] + end for ptr, end in zip(ptrs, ends, strict=False)]
        joined[f"{group}_ptr"] = np.concatenate([np.zeros(1, np.int64), *shifted])
        joined |= {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    return GraphColumns(**joined)


def columns_of_one(arrays: Mapping[str, npt.ArrayLike]) -> GraphColumns:
    """Return the columns of one graph from its ten flat arrays (names in `GROUPS`)."""
    flat: dict[str, Any] = {name: np.asarray(values, np.int64) for name, values in arrays.items()}
    ptrs = {f"{g}_ptr": np.array([0, len(flat[names[0]])], np.int64) for g, names in GROUPS.items()}
    return GraphColumns(**ptrs, **flat)


def empty_columns() -> GraphColumns:
    """Return the columns of zero graphs."""
    ptrs = {f"{group}_ptr": np.zeros(1, np.int64) for group in GROUPS}
    flat = {name: np.zeros(0, np.int64) for names in GROUPS.values() for name in names}
    return GraphColumns(**ptrs, **flat)


def compact(columns: GraphColumns, tables: FeatureTables) -> tuple[GraphColumns, FeatureTables]:
    """Return the same graphs with tables reduced to the rows they use, in canonical order."""
    bonds = np.concatenate([columns.bond_code, columns.reaction_code])
    atom, bond, fragment = (
        np.union1d([MASK_CODE], codes).astype(np.int64)
        for codes in (columns.atom_code, bonds, columns.fragment_code)
    )
    used, (recode,) = merge_tables([tables.take(atom, bond, fragment)])
    return replace(
        columns,
        atom_code=recode.atom[np.searchsorted(atom, columns.atom_code)],
        fragment_code=recode.fragment[np.searchsorted(fragment, columns.fragment_code)],
        bond_code=recode.bond[np.searchsorted(bond, columns.bond_code)],
        reaction_code=recode.bond[np.searchsorted(bond, columns.reaction_code)],
    ), used
