"""The process that converts: it may be killed by what it is given, and nothing else dies with it.

It reads requests from a pipe and answers them, under a limit of memory. Before each molecule it
writes down which one comes next and sets a timer whose signal ends the process, so that not even
native code that never returns can hold it. `workers.isolation` is the other end.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import struct
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from pepland_data.builder.workers.parent_watch import killed_with_parent

MEMORY_EXIT = 77
"""Exit status of a process that came to its limit of memory."""
PLACE = struct.Struct("=q")
UNKNOWN = -1
"""Written where many texts are worked on at once."""


@dataclass(frozen=True)
class Request:
    """Texts to convert."""

    texts: Sequence[str]
    options: Any
    """`FeaturizeOptions`."""


def serve(pipe: Connection, place: Any, memory: int) -> None:
    """Answer requests until the other end closes."""
    from pepland_data.chem.featurizer import Featurizer
    from pepland_data.graph.columns import compact

    featurizers: dict[Any, Featurizer] = {}
    pipe.send("ready")
    _limit_memory(memory)
    while True:
        try:
            request: Request = pipe.recv()
        except EOFError:
            return
        options = request.options
        if options not in featurizers:
            featurizers[options] = Featurizer(options, watch=_watch(place, options.time_limit))
        known = _counts(featurizers[options])
        try:
            done = featurizers[options].convert(request.texts)
            # Only rows these texts use: what else the process has met must not reach the store.
            columns, tables = compact(done.columns, done.tables)
            answer: Any = replace(done, columns=columns, tables=tables)
            known = _counts(featurizers[options]) - known
        except MemoryError:
            os._exit(MEMORY_EXIT)
        except Exception as error:
            featurizers.clear()
            answer = _in_words(error)
            known.clear()
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send((answer, known))


def _counts(featurizer: Any) -> Counter[str]:
    return Counter({name: featurizer.cache_counts[name] for name in ("asked", "known")})


def _watch(place: Any, seconds: float) -> Callable[[int | None], None]:
    """Return a function that notes what comes next, and gives it so many seconds."""
    setitimer, clock = signal.setitimer, signal.ITIMER_PROF

    def watch(position: int | None) -> None:
        PLACE.pack_into(place, 0, UNKNOWN if position is None else position)
        setitimer(clock, seconds)

    return watch


def _in_words(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    said = " ".join(str(error).split())[:200]
    return f"{type(error).__name__} in {os.path.basename(where.filename)}:{where.lineno}: {said}"


def _limit_memory(size: int) -> None:
    """Let allocations fail above `size` bytes of private memory; 0 sets no limit."""
    if size:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (size, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Serve the pipe, the place and the limit named on the command line."""
    killed_with_parent()
    pipe, shared, memory = (int(argument) for argument in sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with mmap.mmap(shared, PLACE.size) as place:
        serve(Connection(pipe), place, memory)


if __name__ == "__main__":
    main()
