"""Make items ahead of their consumer in threads, which always end with the iteration."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
S = TypeVar("S")
MOST_THREADS = 4
"""Four threads make several times as many batches as a step takes; more threads would only take
turns with the consumer for the lock of Python."""


def usable_cores() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def spare_threads() -> int:
    """Return how many threads may make batches: one core is left to the consumer, 1 to 4."""
    return max(1, min(MOST_THREADS, usable_cores() - 1))


def ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """Yield `items`, made in one thread up to `count` ahead; see `mapped_ahead`."""
    return mapped_ahead(lambda item: item, items, count, 1)


def mapped_ahead(
    make: Callable[[S], T], items: Iterator[S], count: int, threads: int
) -> Iterator[T]:
    """Yield ``make(item)`` of each item in the order of `items`, made in threads.

    The threads end when the items do, when making one fails (the consumer gets the error after the
    items before it), and when the consumer stops: at `close`, at the end of a `for` loop that was
    left early, or after an exception of the consumer was handled.

    Args:
        make: several threads call it at the same time.
        items: one thread at a time uses it.
        count: most items that are drawn before they are requested.
        threads: number of threads.
    """
    work = _Work(make, items, count)
    team = [
        threading.Thread(target=work.run, name="pepland-loader", daemon=True)
        for _ in range(threads)
    ]
    for thread in team:
        thread.start()
    try:
        while True:
            made, error = work.take()
            if error is not None:
                raise error
            if made is _END:
                return
            yield made
    finally:
        work.end()
        for thread in team:
            thread.join()


_END = object()


class _Work:
    """What the threads and the consumer of one iteration share."""

    def __init__(self, make: Callable[[Any], Any], items: Iterator[Any], count: int) -> None:
        self._make, self._items = make, items
        self._places: queue.SimpleQueue[queue.SimpleQueue[Any]] = queue.SimpleQueue()
        """A place for the result of each item, in the order of the items."""
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._drawing, self._stop = threading.Lock(), threading.Event()
        for _ in range(count):
            self._room.put(None)

    def run(self) -> None:
        """Make items until there are no more, one fails, or the consumer stops."""
        while not self._stop.is_set():
            self._room.get()
            self._make_next()
        self._room.put(None)  # wakes the next thread that waits

    def take(self) -> Any:
        """Return the next result and its error, or `_END`; this makes room for one more."""
        made = self._places.get().get()
        self._room.put(None)
        return made

    def end(self) -> None:
        """Let the threads end."""
        self._stop.set()
        self._room.put(None)

    def _make_next(self) -> None:
        place, item = self._draw()
        if item is _END:
            return
        try:
            place.put((self._make(item), None))
        except BaseException as error:  # the consumer raises it
            self._stop.set()
            place.put((None, error))

    def _draw(self) -> tuple[queue.SimpleQueue[Any], Any]:
        """Return the next item, and the place for its result; `_END` after the last."""
        place: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._drawing:
            if self._stop.is_set():
                return place, _END
            self._places.put(place)
            try:
                return place, next(self._items)
            except BaseException as error:  # the consumer raises it
                self._stop.set()
                ended = isinstance(error, StopIteration)
                place.put((_END, None) if ended else (None, error))
                return place, _END
