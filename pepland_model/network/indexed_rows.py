"""Operations on rows that an index names, computed before or after the rows are taken."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from pepland_model.network.segments import take
from pepland_model.network.states.kept_states import ViewCache


def named(
    rows: Tensor, index: Tensor | None, cache: ViewCache | None
) -> tuple[Tensor, Tensor | None]:
    """Return each row that an index names once, and the index into these rows.

    Without kept states nearly all rows are named, and both arguments are returned as they are.
    """
    if cache is None or index is None:
        return rows, index
    distinct, places = torch.unique(index, return_inverse=True)
    return rows.index_select(0, distinct), places


def message(
    layer: nn.Module, n: Tensor, h: Tensor, src: Tensor | None, reverse: Tensor | None
) -> Tensor:
    """Return L (n[src] - h[reverse]) of each edge. [L, d].

    The map L is linear. If there are fewer states than edges, the states are mapped first.
    """
    edges = len(n) if src is None else len(src)
    if len(n) + len(h) >= edges:
        out: Tensor = layer(take(n, src) - take(h, reverse))
        return out
    linear = cast(nn.Linear, layer)
    back = nn.functional.linear(h, linear.weight)
    return take(linear(n), src) - take(back, reverse)


def linear_of_taken(rows: Tensor, index: Tensor | None, weight: Tensor) -> Tensor:
    """Return W rows[index]; the map runs on the rows or on the taken rows, whichever are fewer."""
    if index is None or len(rows) < len(index):
        return take(nn.functional.linear(rows, weight), index)
    return nn.functional.linear(take(rows, index), weight)


def chosen(rows: Tensor | None, wanted: Tensor | None) -> Tensor | None:
    """Return the wanted ones of the rows; None means all, in order."""
    if rows is None or wanted is None:
        return wanted if rows is None else rows
    return rows.index_select(0, wanted)
