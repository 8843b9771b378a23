"""What the conversions to and from graphs of other libraries share.

Graphs that this package made have their codes. Other graphs, such as those that PepLand's own code
pickled, are matched with the feature tables row by row. A row that is not in the tables, or that
stands for two fragments there, is an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pepland_data.batch.arrays import BatchArrays, BatchTables
from pepland_data.errors import InputError


def both_ways(begin: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Return source and destination of both directions of each bond, adjacent. [2B] int64 each."""
    src = torch.stack([begin, end], 1).flatten().long()
    dst = torch.stack([end, begin], 1).flatten().long()
    return src, dst


def edge_rows(batch: BatchArrays, code: Tensor) -> Tensor:
    """Return the feature row of both directions of each bond. [2B, 14] float32."""
    return batch.tables.bond_x[code.long()].repeat_interleave(2, 0)


def tensor_pointers(counts: Tensor) -> Tensor:
    """Return the first row of each graph, and the end of the last. [G+1] int64."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).long()


def batch_of(
    tables: BatchTables,
    node_codes: dict[str, Tensor],
    edge_codes: dict[str, Tensor],
    ends: dict[str, tuple[Tensor, Tensor]],
    junction: tuple[Tensor, Tensor],
    residue: Tensor | None,
    ptr: dict[str, Tensor],
    graph_index: Tensor | None,
) -> BatchArrays:
    """Return a batch from the data of graphs of another library.

    Args:
        tables: of the store or batch that the graphs belong to.
        node_codes: atom and fragment -> code of each node.
        edge_codes: bond and reaction -> code of each directed edge.
        ends: bond and reaction -> source and destination of each directed edge.
        junction: atoms, and the fragment of each atom.
        residue: [P] of the fragments, None if the graphs have no such field.
        ptr: group -> [G+1] int64.
        graph_index: [G], None for 0 to G - 1.
    """
    columns: dict[str, Tensor] = {f"{name}_code": code for name, code in node_codes.items()}
    for name, (src, dst) in ends.items():
        code = edge_codes[name]
        columns[f"{name}_begin"], columns[f"{name}_end"] = _paired(name, src, dst, code)
        columns[f"{name}_code"] = code[::2]
    atoms, home = junction
    columns["atom_fragment"] = torch.empty_like(home).scatter_(0, atoms, home)
    fragments = node_codes["fragment"]
    columns["fragment_residue"] = torch.ones_like(fragments) if residue is None else residue
    graphs = torch.arange(len(ptr["atom"]) - 1, device=fragments.device)
    return BatchArrays(
        tables.to(fragments.device),
        graphs if graph_index is None else graph_index,
        **{f"{group}_ptr": values for group, values in ptr.items()},
        **{name: values.to(torch.int32) for name, values in columns.items()},
    )


def _paired(name: str, src: Tensor, dst: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
    """Return both ends of each bond from edges whose two directions are adjacent."""
    paired = len(src) % 2 == 0 and bool(
        torch.equal(src[::2], dst[1::2])
        and torch.equal(dst[::2], src[1::2])
        and torch.equal(code[::2], code[1::2])
    )
    if not paired:
        raise InputError(
            f"the {name} edges are not adjacent pairs of directions; expected edge 2k from begin "
            "to end and edge 2k+1 back, as PepLand's code, to_dgl and to_pyg write them"
        )
    return src[::2], dst[::2]


def codes_of(data: Any, field: str, tables: BatchTables, name: str) -> Tensor:
    """Return the code of each row: the checked field ``code``, or found by content. [N] int64."""
    table = {"atom": tables.atom_x, "fragment": tables.fragment_x}.get(name, tables.bond_x)
    rows = data[field].to(table.dtype)
    carried = data.get("code")
    if carried is None:
        return _matched(rows, table, name)
    inside = not len(carried) or (int(carried.min()) >= 0 and int(carried.max()) < len(table))
    if not (inside and torch.equal(table.to(carried.device)[carried], rows)):
        raise InputError(
            f"the {name} rows are not those of the tables; give the tables of their own store"
        )
    codes: Tensor = carried.long()
    return codes


def _matched(rows: Tensor, table: Tensor, name: str) -> Tensor:
    """Return the code of the only equal row of the table for each row. [N] int64."""
    known: dict[bytes, list[int]] = {}
    for code, row in enumerate(np.ascontiguousarray(table.cpu().numpy())):
        known.setdefault(row.tobytes(), []).append(code)
    found = [known.get(row.tobytes(), []) for row in np.ascontiguousarray(rows.cpu().numpy())]
    for number, codes in enumerate(found):
        if len(codes) != 1:
            why = f"stands for codes {codes} in the tables" if codes else "is not in the tables"
            raise InputError(
                f"{name} row {number} {why}; build the store from the same peptides, or convert "
                "graphs that to_dgl or to_pyg made, which have their codes"
            )
    return torch.tensor([codes[0] for codes in found], dtype=torch.int64, device=rows.device)
