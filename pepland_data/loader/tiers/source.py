"""What every tier provides: the columns of chosen graphs, and how they become a batch."""

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
"""Code column -> the table of its codes."""


class Source(Protocol):
    """Provides flat columns of chosen graphs: codes of the tables of the corpus, local indices."""

    def runs(self, outline: BatchOutline) -> Iterator[tuple[slice, Flat]]:
        """Yield consecutive runs of graphs of the batch, each with its ten columns.

        Several threads may use the runs of different batches at the same time.
        """
        ...

    def prepare(self, graphs: Rows) -> None:
        """Open what some graphs need, ahead of `runs`; one thread at a time calls it."""
        ...


def write_batch(out: Mapping[str, npt.NDArray[Any]], outline: BatchOutline, source: Source) -> None:
    """Write a whole batch into its arrays.

    Args:
        out: views of one block, see `pepland_data.batch.byte_layout.arrays`.
        outline: graphs, sizes and pointers.
        source: provides the columns.
    """
    write_head(out, outline)
    shift = _shifts(outline)
    for run, flat in source.runs(outline):
        for name, group in COLUMNS.items():
            first, last = outline.ptr[group][run.start], outline.ptr[group][run.stop]
            rows = out[name][first:last]
            if name in HOME:
                np.add(flat[name], shift[group][first:last], out=rows)
            else:
                rows[...] = flat[name]
    write_padding(out, outline)


def _shifts(outline: BatchOutline) -> Flat:
    """Return group -> [rows] int32, added to local indices to get rows of the batch."""
    first = {group: ptr[:-1].astype(np.int32) for group, ptr in outline.ptr.items()}
    return {group: np.repeat(first[home], outline.sizes[group]) for group, home in HOME_OF.items()}


def recoded(values: npt.NDArray[Any], name: str, recode: Recode | None) -> npt.NDArray[Any]:
    """Return a column with the codes of the tables of the corpus."""
    if recode is None or name not in TABLE_OF:
        return values
    table: npt.NDArray[np.int64] = getattr(recode, TABLE_OF[name])
    return table.take(values)
