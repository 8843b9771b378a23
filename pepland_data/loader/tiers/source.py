"""What every tier gives: the columns of chosen graphs, and how they become a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pepland_data.batch.byte_layout import (
    COLUMNS,
    HOME,
    HOME_OF,
    BatchOutline,
    write_head,
    write_padding,
)
from pepland_data.graph.feature_tables import Recode

Flat = dict[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.int64]
TABLE_OF = {"atom_code": "atom", "fragment_code": "fragment",
            "bond_code": "bond", "reaction_code": "bond"}  # fmt: skip
"""Code column -> the table its codes point into."""


class Source(Protocol):
    """Gives the flat columns of chosen graphs, codes of the corpus' tables, indices local."""

    def runs(self, parts: BatchOutline) -> Iterator[tuple[slice, Flat]]:
        """Yield consecutive runs of the batch's graphs and their ten columns."""
        ...


def write_batch(out: Mapping[str, npt.NDArray[Any]], parts: BatchOutline, source: Source) -> None:
    """Write a whole batch into its arrays.

    Args:
        out: views of one block, see `pepland_data.batch.byte_layout.arrays`.
        parts: graphs, sizes and pointers.
        source: where the columns come from.
    """
    write_head(out, parts)
    shift = _shifts(parts)
    for run, flat in source.runs(parts):
        for name, group in COLUMNS.items():
            first, last = parts.ptr[group][run.start], parts.ptr[group][run.stop]
            rows = out[name][first:last]
            if name in HOME:
                np.add(flat[name], shift[group][first:last], out=rows)
            else:
                rows[...] = flat[name]
    write_padding(out, parts)


def _shifts(parts: BatchOutline) -> Flat:
    """Return what turns local indices into batch rows. Group -> [rows] int32."""
    first = {group: ptr[:-1].astype(np.int32) for group, ptr in parts.ptr.items()}
    return {group: np.repeat(first[home], parts.sizes[group]) for group, home in HOME_OF.items()}


def recoded(values: npt.NDArray[Any], name: str, recode: Recode | None) -> npt.NDArray[Any]:
    """Return a column with codes of the corpus' tables."""
    if recode is None or name not in TABLE_OF:
        return values
    table: npt.NDArray[np.int64] = getattr(recode, TABLE_OF[name])
    return table.take(values)
