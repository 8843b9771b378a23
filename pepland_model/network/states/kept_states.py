"""States kept from batch to batch at inference, because the same neighbourhoods come again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from pepland_model.network.states.distinct import fresh_levels

MAX_ROWS = 400_000
"""States kept over all levels of a view: 480 MB in float32 at width 300, and up to half as much
again reserved. When a batch has gone beyond, the next batch starts without kept states."""


class GrowingRows:
    """Rows with reserved memory behind them, so that appending seldom copies."""

    def __init__(self, first: Tensor) -> None:
        with torch.inference_mode(False):  # a batch outside that mode could not be appended
            self._room = first.clone()
        self._used = len(first)

    def __len__(self) -> int:
        return self._used

    def add(self, new: Tensor) -> Tensor:
        """Append [K, d] rows, and return all [N, d] rows as a view."""
        used = self._used + len(new)
        if used > len(self._room):
            size = max(used, len(self._room) * 3 // 2)
            with torch.inference_mode(False):
                room = self._room.new_empty(size, *new.shape[1:])
            room[: self._used] = self._room[: self._used]
            self._room = room
        self._room[self._used : used] = new
        self._used = used
        return self._room[:used]


class KeptStates:
    """Classes and states of every level of one view."""

    def __init__(self, rounds: int) -> None:
        self.levels = fresh_levels(rounds)
        self._states: dict[tuple[str, int], GrowingRows] = {}
        self._owns: dict[int, GrowingRows] = {}

    def add(self, kind: str, level: int, new: Tensor) -> Tensor:
        """Append the states of the new rows of a level, and return all states of the level."""
        return self._states.setdefault((kind, level), GrowingRows(new[:0])).add(new)

    def add_own(self, level: int, new: Tensor | None) -> Tensor:
        """Append the rows below of the new rows of a level of nodes, and return all. [S] int64."""
        assert new is not None  # a plan of distinct states names them
        return self._owns.setdefault(level, GrowingRows(new[:0])).add(new)

    @property
    def rows(self) -> int:
        """Number of states kept."""
        return sum(len(states) for states in self._states.values())


@dataclass(frozen=True, eq=False)
class _Source:
    """What the states of a view were computed from."""

    weights: list[Tensor]
    tables: list[Tensor]
    autocast: tuple[bool, torch.dtype]

    def allows(self, now: _Source) -> bool:
        """Return whether states from here are valid now; tables may have grown at their end."""
        return (
            self.autocast == now.autocast
            and all(map(equal, self.weights, now.weights))
            and all(map(starts_with, now.tables, self.tables))
        )


class StateCache:
    """The `KeptStates` of each view, for as long as all that they depend on stays the same.

    Each time, the weights and tables themselves are compared (4 bytes per weight). This notices
    every change of a weight, also a write through ``parameter.data``.
    """

    def __init__(self) -> None:
        self._views: dict[str, tuple[KeptStates, _Source]] = {}
        self._lock = Lock()

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Keep other threads out; yield False at once where another thread is inside.

        An exception during a pass can leave classes without states, so it clears the cache.
        """
        mine = self._lock.acquire(blocking=False)
        try:
            yield mine
        except BaseException:
            if mine:
                self.clear()
            raise
        finally:
            if mine:
                self._lock.release()

    def view(
        self, name: str, weights: Sequence[Tensor], tables: Sequence[Tensor], rounds: int
    ) -> KeptStates:
        """Return the states that are valid now.

        Args:
            name: of the view.
            weights: every parameter that the states of the view depend on.
            tables: feature rows; rows may have been appended since the last call.
            rounds: of message passing.
        """
        autocast = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
        now = _Source(list(weights), list(tables), autocast)
        kept, source = self._views.get(name, (None, now))
        if kept is None or kept.rows > MAX_ROWS or not source.allows(now):
            kept = KeptStates(rounds)
            source = _Source([w.detach().clone() for w in weights], now.tables, autocast)
        self._views[name] = (kept, _Source(source.weights, now.tables, autocast))
        return kept

    def __deepcopy__(self, memo: Any) -> StateCache:
        return StateCache()

    def __reduce__(self) -> tuple[type[StateCache], tuple[()]]:
        return StateCache, ()  # a pickled model holds no kept states

    def forget(self, name: str) -> None:
        """Forget the states of one view."""
        self._views.pop(name, None)

    def clear(self) -> None:
        """Forget all states, and free their memory."""
        self._views.clear()


def equal(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors have the same dtype, device and numbers."""
    return a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)


def starts_with(rows: Tensor, first: Tensor) -> bool:
    """Return whether the rows begin with other rows, number by number."""
    if rows is first:
        return True
    return len(rows) >= len(first) and equal(rows[: len(first)], first)
