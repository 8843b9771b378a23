"""Make items ahead of their consumer in one thread, which always ends with the iteration."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T], count: int) -> Iterator[T]:
    """Yield `items`, made in a thread up to `count` ahead.

    The thread ends when the items do, when making one fails (the consumer gets the error), and when
    the consumer stops: at `close`, at the end of a `for` loop that was left early, or after an
    exception of the consumer was handled.

    Args:
        items: only the thread uses it.
        count: most items that are made before they are requested.
    """
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
    room: queue.SimpleQueue[None] = queue.SimpleQueue()
    stop, end = threading.Event(), object()
    for _ in range(count):
        room.put(None)

    def put(item: Any) -> bool:
        room.get()
        if not stop.is_set():
            ready.put(item)
        return not stop.is_set()

    def produce() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((end, None))
        except BaseException as error:  # the consumer raises it
            put((end, error))

    thread = threading.Thread(target=produce, name="pepland-loader", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is end:
                return
            room.put(None)
            yield item
    finally:
        stop.set()
        room.put(None)
        thread.join()
