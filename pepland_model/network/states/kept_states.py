"""States kept from batch to batch at inference: the same neighbourhoods come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from pepland_model.network.states.distinct import fresh_levels

MAX_ROWS = 400_000
"""States kept over all levels of a view: 480 MB in float32, and room for half as much again. The
batch after the one that exceeds it starts with empty states."""


class GrowingRows:
    """Rows with spare room at the end, so that adding a few rows copies few."""

    def __init__(self, first: Tensor) -> None:
        with torch.inference_mode(False):  # else no batch outside that mode could be added
            self._room = first.clone()
        self._used = len(first)

    def __len__(self) -> int:
        return self._used

    def add(self, new: Tensor) -> Tensor:
        """Append [K, d] rows, and return all [N, d] of them as a view."""
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


class ViewCache:
    """Numbers and states of every level of one view."""

    def __init__(self, rounds: int) -> None:
        self.levels = fresh_levels(rounds)
        self._states: dict[tuple[str, int], GrowingRows] = {}

    def grow(self, kind: str, level: int, new: Tensor) -> Tensor:
        """Append the states of a level's new rows, and return all of its states."""
        kept = self._states.get((kind, level))
        if kept is None:
            kept = self._states[kind, level] = GrowingRows(new[:0])
        return kept.add(new)

    @property
    def rows(self) -> int:
        """States kept."""
        return sum(len(states) for states in self._states.values())


class StateCache:
    """The `ViewCache` of each view, valid as long as weights and tables stay the same.

    The numbers themselves are compared, four bytes per weight. So every change of a weight is
    noticed, also a write through ``parameter.data``.
    """

    def __init__(self) -> None:
        self._views: dict[str, tuple[ViewCache, list[Tensor], list[Tensor], Any]] = {}
        self._lock = Lock()

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Exclude other threads; yield False at once if another thread is inside.

        A pass that ends early leaves numbers without states, so all states are forgotten then.
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
    ) -> ViewCache:
        """Return the states that are valid now.

        Args:
            name: of the view.
            weights: every parameter the view's states depend on.
            tables: feature rows; rows may have been added at the end.
            rounds: of message passing.
        """
        cast = (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"))
        kept = self._views.get(name)
        if kept is not None:
            view, old_weights, old_tables, old_cast = kept
            same = old_cast == cast and view.rows <= MAX_ROWS
            same = same and all(map(equal, old_weights, weights))
            if same and all(map(starts_with, tables, old_tables)):
                self._views[name] = (view, old_weights, list(tables), cast)
                return view
        view = ViewCache(rounds)
        copies = [w.detach().clone() for w in weights]
        self._views[name] = (view, copies, list(tables), cast)
        return view

    def __deepcopy__(self, memo: Any) -> StateCache:
        return StateCache()

    def __reduce__(self) -> tuple[type[StateCache], tuple[()]]:
        return StateCache, ()  # a pickled model does not contain its kept states

    def forget(self, name: str) -> None:
        """Forget the states of one view."""
        self._views.pop(name, None)

    def clear(self) -> None:
        """Forget all states, and free their memory."""
        self._views.clear()


def equal(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors are of the same kind and hold the same numbers."""
    return a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)


def starts_with(rows: Tensor, first: Tensor) -> bool:
    """Return whether the rows begin with other rows, number by number."""
    if rows is first:
        return True
    return len(rows) >= len(first) and equal(rows[: len(first)], first)
