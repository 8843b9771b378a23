"""Converting process: a text that kills it does not end the build.

It reads requests from a pipe and answers them under a memory limit. Before each molecule it writes
the position of the text into shared memory and starts a timer. The signal of the timer ends the
process, even inside native code that never returns. `workers.isolation` is the other end.
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

from pepland_data.builder.workers.worker_lifetime import killed_with_parent
from pepland_data.errors import BuildError, DifferentGraphError

MEMORY_EXIT = 77
"""Exit status of a process that reached its memory limit."""
POSITION = struct.Struct("=q")
COUNTS = ("asked", "known", "smiles", "without_rdkit")
"""The counts of `Featurizer.cache_counts` that belong to texts."""
UNKNOWN = -1
"""Position while several texts are converted at once."""


@dataclass(frozen=True)
class Request:
    """Texts to convert."""

    texts: Sequence[str]
    options: Any
    """`FeaturizeOptions`."""


def serve(pipe: Connection, shared: Any, memory: int) -> None:
    """Answer requests until the other end closes the pipe."""
    from pepland_data.chem.compile_ahead import compile_ahead
    from pepland_data.chem.featurizer import Featurizer
    from pepland_data.graph.columns import compact

    compile_ahead()
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
            featurizers[options] = Featurizer(options, watch=_watch(shared, options.time_limit))
        before = _counts(featurizers[options])
        try:
            done = featurizers[options].convert(request.texts)
            # Keep only the table rows of these texts: earlier requests must not change the store.
            columns, tables = compact(done.columns, done.tables)
            answer: Any = replace(done, columns=columns, tables=tables)
            counts = _counts(featurizers[options]) - before
        except MemoryError:
            os._exit(MEMORY_EXIT)
        except DifferentGraphError as error:
            answer, counts = error, Counter()
        except (OSError, ImportError) as error:
            answer, counts = BuildError(f"texts cannot be converted here: {error}"), Counter()
        except Exception as error:
            featurizers.clear()
            answer, counts = _described(error), Counter()
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send((answer, counts))


def _counts(featurizer: Any) -> Counter[str]:
    return Counter({name: featurizer.cache_counts[name] for name in COUNTS})


def _watch(shared: Any, seconds: float) -> Callable[[int | None], None]:
    """Return a function that records the position of the next text and restarts the timer.

    Without a position there is no limit: no text would be to blame for the time.
    """

    def watch(position: int | None) -> None:
        POSITION.pack_into(shared, 0, UNKNOWN if position is None else position)
        signal.setitimer(signal.ITIMER_PROF, 0 if position is None else seconds)

    return watch


def _described(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    said = " ".join(str(error).split())[:200]
    return f"{type(error).__name__} in {os.path.basename(where.filename)}:{where.lineno}: {said}"


def _limit_memory(size: int) -> None:
    """Make allocations above `size` bytes of private memory fail; 0 sets no limit."""
    if size:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (size, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Serve the pipe, with the shared memory and the memory limit of the command line."""
    killed_with_parent()
    pipe, file, memory = (int(argument) for argument in sys.argv[1:4])
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with mmap.mmap(file, POSITION.size) as shared:
        serve(Connection(pipe), shared, memory)


if __name__ == "__main__":
    main()
