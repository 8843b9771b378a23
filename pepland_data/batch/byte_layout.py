"""All arrays of a batch in one block of bytes, so that one copy moves it to a device.

First the int64 arrays (graph numbers, four pointers), then the ten int32 columns, each at a
multiple of 64 bytes. With static shapes the arrays have the length of the capacity and end in
padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GROUPS, pointers

ALIGNMENT = 64
COLUMNS = {name: group for group, names in GROUPS.items() for name in names}
"""Column -> its group."""
HOME = {"atom_fragment": "fragment", "bond_begin": "atom", "bond_end": "atom",
        "reaction_begin": "fragment", "reaction_end": "fragment"}  # fmt: skip
"""Index column -> the group whose rows it names."""
HOME_OF = {COLUMNS[name]: home for name, home in HOME.items()}
"""Group -> the group whose rows all its index columns name."""


@dataclass(frozen=True)
class Shape:
    """The number of rows of a batch."""

    graphs: int
    """Number of graphs; with static shapes those after the last real one are empty."""
    rows: Mapping[str, int]
    """Group -> rows; with static shapes at least one atom and one fragment more than real ones."""


@dataclass(frozen=True, eq=False)
class BatchOutline:
    """What is known of a batch before its columns are read."""

    graphs: npt.NDArray[np.int64]
    """[K] int64, graph numbers; those of one store are adjacent."""
    sizes: Mapping[str, npt.NDArray[np.int64]]
    """Group -> rows of each graph, [K] int64."""
    ptr: Mapping[str, npt.NDArray[np.int64]]
    """Group -> [K+1] int64."""
    shape: Shape
    """Number of rows, at least as many as the graphs have."""


def outline_of(
    graphs: npt.NDArray[np.int64],
    sizes: Mapping[str, npt.NDArray[np.int64]],
    shape: Shape | None = None,
) -> BatchOutline:
    """Return the pointers and the shape of a batch; the default shape has no padding."""
    ptr = {group: pointers(sizes.get(group, ())) for group in GROUPS}
    exact = Shape(len(graphs), {group: int(p[-1]) for group, p in ptr.items()})
    return BatchOutline(graphs, sizes, ptr, shape or exact)


def spans(shape: Shape) -> tuple[dict[str, tuple[int, int, bool]], int]:
    """Return name -> (first byte, length, is int64), and the number of bytes of the block."""
    lengths = [("graph_index", shape.graphs, True)]
    lengths += [(f"{group}_ptr", shape.graphs + 1, True) for group in GROUPS]
    lengths += [(name, shape.rows[group], False) for name, group in COLUMNS.items()]
    found, at = {}, 0
    for name, length, wide in lengths:
        found[name] = (at, length, wide)
        at += -(-length * (8 if wide else 4) // ALIGNMENT) * ALIGNMENT
    return found, at


def arrays(block: npt.NDArray[np.uint8], shape: Shape) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a batch as views of its block. [nbytes] uint8."""
    return _views(block, shape, np.int64, np.int32)


def tensors(block: Tensor, shape: Shape) -> dict[str, Tensor]:
    """Return the arrays of a batch as views of its block on any device. [nbytes] uint8."""
    return _views(block, shape, torch.int64, torch.int32)


def _views(block: Any, shape: Shape, wide: Any, narrow: Any) -> dict[str, Any]:
    return {
        name: block[at : at + length * (8 if is_wide else 4)].view(wide if is_wide else narrow)
        for name, (at, length, is_wide) in spans(shape)[0].items()
    }


def write_head(out: Mapping[str, npt.NDArray[Any]], parts: BatchOutline) -> None:
    """Write graph numbers and pointers; graphs after the last one are empty and numbered -1."""
    count = len(parts.graphs)
    out["graph_index"][:count] = parts.graphs
    out["graph_index"][count:] = -1
    for group, ptr in parts.ptr.items():
        out[f"{group}_ptr"][: count + 1] = ptr
        out[f"{group}_ptr"][count + 1 :] = ptr[-1]


def write_padding(out: Mapping[str, npt.NDArray[Any]], parts: BatchOutline) -> None:
    """Fill the rows after the real ones, see `BatchArrays`."""
    for name, group in COLUMNS.items():
        used = int(parts.ptr[group][-1])
        if used < parts.shape.rows[group]:
            out[name][used:] = padding_value(name, parts.shape)


def padding_value(name: str, shape: Shape) -> int:
    """Return the value of a column in padding rows: for an index the last row, else 0."""
    return shape.rows[HOME[name]] - 1 if name in HOME else 0


def host_batch(out: Mapping[str, npt.NDArray[Any]], tables: BatchTables) -> HeteroBatch:
    """Return written arrays as a batch on the CPU, without a copy."""
    return HeteroBatch(tables, **{name: torch.from_numpy(array) for name, array in out.items()})
