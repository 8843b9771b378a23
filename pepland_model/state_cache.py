"""Atom states kept from batch to batch at inference: the same neighbourhoods come back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pepland_data.tables import FeatureTables
from pepland_model.states import fresh_levels

MAX_ROWS = 400_000
"""Rows of 300 float32 kept over all levels, about 480 MB; beyond, the cache starts anew."""


class ViewCache:
    """Numbers and states of every level of one view."""

    def __init__(self, rounds: int) -> None:
        self.levels = fresh_levels(rounds)
        self._states: dict[tuple[str, int], Tensor] = {}

    def grow(self, kind: str, level: int, new: Tensor) -> Tensor:
        """Append the states of a level's new rows, and return all of its states."""
        old = self._states.get((kind, level))
        grown = new if old is None else old if not len(new) else torch.cat([old, new])
        self._states[kind, level] = grown
        return grown

    @property
    def rows(self) -> int:
        """States kept."""
        return sum(len(states) for states in self._states.values())


class StateCache:
    """The `ViewCache` of the present weights and tables; another weight or table empties it."""

    def __init__(self) -> None:
        self._view: ViewCache | None = None
        self._key: Any = None

    def view(self, model: nn.Module, tables: FeatureTables) -> ViewCache:
        """Return the states that are valid now.

        In-place changes of a weight raise its version, so no explicit reset is needed.
        """
        weights = tuple((p.data_ptr(), p._version, p.dtype) for p in model.parameters())
        key = (weights, torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"))
        same = self._key is not None and self._key[0] is tables and self._key[1] == key
        if self._view is None or not same or self._view.rows > MAX_ROWS:
            self._view = ViewCache(model.config.depth - 1)  # type: ignore[union-attr, operator, arg-type]
            self._key = (tables, key)
        return self._view

    def __deepcopy__(self, memo: Any) -> StateCache:
        return StateCache()

    def clear(self) -> None:
        """Forget all states."""
        self._view = self._key = None
