"""Where tasks run: in this process, in worker processes, on a Dask or a Ray cluster.

All are back ends of joblib. A task gets paths and returns a few numbers, so workers of a cluster
must see the folder of the store, and the input not at all.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from pepland_data.builder.workers.parent_watch import end_with
from pepland_data.chem.conversion import FEATURIZER_VERSION
from pepland_data.errors import BuildError, InputError, MissingDependencyError

ENGINES = ("local", "dask", "ray")
CONNECT_SECONDS = 30
LOOK_SECONDS, ASK_SECONDS = 0.1, 3.0
"""Seconds between two looks for results, at most, and after which joblib is asked in any case."""
WINDOW = 8
"""Tasks a worker of a cluster that streams no results gets before all are waited for."""


@dataclass(frozen=True)
class Engine:
    """Runs functions on arguments; which engine does not change what they return."""

    workers: int = 1
    """Processes on this machine; a cluster has its own number."""
    name: str = "local"
    """``local``, ``dask`` or ``ray``."""
    address: str | None = None
    """Of the Dask scheduler or the Ray cluster."""

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError(f"unknown engine {self.name!r}; expected one of {', '.join(ENGINES)}")
        if self.workers < 1:
            raise InputError("workers must be 1 or more")
        if (self.name == "dask") > (self.address is not None):
            raise InputError("engine dask needs --address of its scheduler, as tcp://host:8786")
        if self.name == "local" and self.address is not None:
            raise InputError("an address goes with engine dask or ray; name one with --engine")

    def run(
        self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], ordered: bool
    ) -> Iterator[Any]:
        """Yield the results of all calls, in order or as they come.

        Arguments are taken as workers ask for them, so they may be a stream without end.

        Raises:
            BuildError: no cluster answers, a worker was killed, or has other versions.
        """
        if self.name == "local" and self.workers == 1:
            yield from (function(*args) for args in arguments)
            return
        import joblib

        backends = {"local": self._local, "dask": self._dask, "ray": self._ray}
        order = "generator" if ordered else "generator_unordered"
        jobs = self.workers if self.name == "local" else -1
        call = function if self.name == "local" else Checked(function, tuple(versions().items()))
        try:
            with backends[self.name]():
                tasks = (joblib.delayed(call)(*args) for args in arguments)
                if self.name == "ray":
                    yield from _in_windows(tasks, WINDOW * joblib.effective_n_jobs(-1))
                    return
                parallel = joblib.Parallel(jobs, return_as=order, pre_dispatch="2*n_jobs")
                yield from _patiently(parallel, tasks)
        except TimeoutError as error:
            raise BuildError(
                f"the {self.name} cluster at {self.address} has no workers; start some"
            ) from error
        except Exception as error:
            if type(error).__name__ not in LOST_WORKER:
                raise
            raise BuildError(
                "a worker process was killed, perhaps because memory ran out; "
                "run the same command again, with fewer workers if that was so: it goes on"
            ) from error

    def _local(self) -> AbstractContextManager[Any]:
        import joblib

        parallel: AbstractContextManager[Any] = joblib.parallel_config(
            "loky", inner_max_num_threads=1, initializer=end_with, initargs=(os.getpid(),)
        )
        return parallel

    @contextmanager
    def _dask(self) -> Iterator[None]:
        import joblib

        try:
            from distributed import Client
        except ImportError as error:
            raise _missing("dask[distributed]", "dask") from error
        try:
            client = Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise BuildError(
                f"no Dask scheduler answers at {self.address}; start `dask scheduler` and workers, "
                "or check the address"
            ) from error
        with client, joblib.parallel_config("dask", client=client):
            yield

    @contextmanager
    def _ray(self) -> Iterator[None]:
        import joblib

        try:
            import ray
            from ray.util.joblib import register_ray
        except ImportError as error:
            raise _missing("ray", "ray") from error
        if not ray.is_initialized():
            try:
                ray.init(address=self.address, log_to_driver=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise BuildError(
                    f"no Ray cluster answers at {self.address}; start one with `ray start --head`, "
                    "or check the address"
                ) from error
        register_ray()
        with joblib.parallel_config("ray"):
            yield


def _patiently(parallel: Any, tasks: Iterator[Any]) -> Iterator[Any]:
    """Yield the results of joblib, which is asked for one when there is one.

    While it is asked and has none it looks a hundred times a second: a hundredth of a processor for
    nothing, more than everything else that this process does.
    """
    results, missing = parallel(tasks), object()
    for received in count():
        try:
            _await_result(parallel, received)
        except BaseException as error:  # an interrupt: joblib ends its workers and passes it on
            results.throw(error)
        if (result := next(results, missing)) is missing:
            return
        yield result


def _await_result(parallel: Any, received: int) -> None:
    """Wait until more tasks have ended than results were received, or there are no more tasks.

    Not for long: joblib must be asked to say that a task failed.
    """
    until, pause = time.monotonic() + ASK_SECONDS, LOOK_SECONDS / 8
    while parallel.n_completed_tasks <= received < parallel.n_dispatched_tasks:
        if time.monotonic() > until:
            return
        time.sleep(pause)
        pause = min(2 * pause, LOOK_SECONDS)


def _in_windows(tasks: Iterator[Any], size: int) -> Iterator[Any]:
    """Run so many tasks at once and wait for all: Ray's back end returns nothing but lists."""
    import joblib

    with joblib.Parallel(-1) as parallel:
        while window := list(islice(tasks, size)):
            yield from parallel(window)


LOST_WORKER = ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker", "RayActorError")
"""Names of the errors of the back ends that say so; their packages need not be installed."""


def _missing(package: str, name: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"engine {name} needs {package}; install it here and on all workers, or use engine local"
    )


def versions() -> dict[str, str]:
    """Return the versions that decide what a text becomes."""
    import rdkit

    return {"rdkit": rdkit.__version__, "featurizer": str(FEATURIZER_VERSION)}


@dataclass(frozen=True)
class Checked:
    """A function that runs only where the versions are those of the build."""

    function: Callable[..., Any]
    wanted: tuple[tuple[str, str], ...]
    """Versions by name, as pairs: joblib's Dask back end wants functions that can be hashed."""

    def __call__(self, *args: Any) -> Any:
        """Call the function.

        Raises:
            BuildError: this worker has other versions.
        """
        found, wanted = versions(), dict(self.wanted)
        if found != wanted:
            raise BuildError(
                f"a worker on {platform.node()} has {found}, the build {wanted}; "
                "install the same versions everywhere"
            )
        return self.function(*args)
