"""Where tasks run: in this process, in worker processes, on a Dask cluster or on a Ray cluster.

Every engine but the first is a back end of joblib. A task receives paths and returns a few numbers.
The workers of a cluster must see the folder of the store under the same path; they do not need the
input file.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count, islice
from multiprocessing import resource_tracker
from typing import Any

from pepland_data.builder.workers.worker_lifetime import end_with, interrupts_blocked
from pepland_data.chem.conversion import FEATURIZER_VERSION
from pepland_data.errors import BuildError, InputError, MissingDependencyError

ENGINES = ("local", "dask", "ray")
CONNECT_SECONDS, WORKERS_SECONDS = 30, 10
"""How long to wait for the scheduler of a Dask cluster, and for its first worker."""
POLL_SECONDS, ASK_SECONDS = 0.1, 3.0
"""Longest time between two checks for a result; time after which joblib is asked in any case."""
WINDOW = 8
"""Tasks per worker that run at once on an engine that cannot stream results."""
LOST_WORKER = ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker", "RayActorError")
"""Names of the errors for a killed worker; the packages that define them may not be installed."""


@dataclass(frozen=True)
class Engine:
    """Runs a function on many arguments; the engine does not change the results."""

    workers: int = 1
    """Processes on this machine; a cluster has its own number of workers."""
    name: str = "local"
    """``local``, ``dask`` or ``ray``."""
    address: str | None = None
    """Address of the Dask scheduler or of the Ray cluster."""

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError(f"unknown engine {self.name!r}; expected one of {', '.join(ENGINES)}")
        if self.workers < 1:
            raise InputError(f"workers is {self.workers}; expected 1 or more")
        if (self.name == "dask") > (self.address is not None):
            raise InputError(
                "engine dask needs --address of its scheduler, for example tcp://host:8786"
            )
        if self.name == "local" and self.address is not None:
            raise InputError("an address goes with engine dask or ray; name one with --engine")

    def run(
        self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], ordered: bool
    ) -> Generator[Any, None, None]:
        """Yield the results of all calls, in the order of the arguments or as they arrive.

        Arguments are read only when a worker is free, so they may be an endless stream.

        Raises:
            BuildError: no cluster answers, a worker was killed, or a worker has other versions.
        """
        if self.name == "local" and self.workers == 1:
            yield from (function(*args) for args in arguments)
            return
        import joblib

        backends = {"local": self._local, "dask": self._dask, "ray": self._ray}
        order = "generator" if ordered else "generator_unordered"
        jobs = self.workers if self.name == "local" else -1
        call = (
            function
            if self.name == "local"
            else VersionChecked(function, tuple(versions().items()))
        )
        try:
            with backends[self.name]():
                tasks = (joblib.delayed(call)(*args) for args in arguments)
                if self.name == "ray":
                    yield from _in_windows(tasks, WINDOW * joblib.effective_n_jobs(-1))
                    return
                parallel = joblib.Parallel(jobs, return_as=order, pre_dispatch="2*n_jobs")
                yield from _streamed(parallel, tasks)
        except TimeoutError as error:
            raise BuildError(
                f"the {self.name} cluster at {self.address} has no workers; start some"
            ) from error
        except Exception as error:
            if type(error).__name__ not in LOST_WORKER:
                raise
            raise BuildError(
                "a worker process was killed, perhaps because memory ran out; run the same command "
                "again to resume the build, with fewer workers if memory ran out"
            ) from error

    def _local(self) -> AbstractContextManager[Any]:
        import joblib

        resource_tracker.ensure_running()  # starting it later would unblock SIGINT for the workers
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
            raise _missing_package("dask[distributed]", "dask") from error
        try:
            client = Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise BuildError(
                f"no Dask scheduler answers at {self.address}; start `dask scheduler` and workers, "
                "or check the address"
            ) from error
        timeout = {"wait_for_workers_timeout": WORKERS_SECONDS}
        with client, joblib.parallel_config("dask", client=client, **timeout):
            yield

    @contextmanager
    def _ray(self) -> Iterator[None]:
        import joblib

        try:
            import ray
            from ray.util.joblib import register_ray
        except ImportError as error:
            raise _missing_package("ray", "ray") from error
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


def _streamed(parallel: Any, tasks: Iterator[Any]) -> Iterator[Any]:
    """Yield the results of joblib, and ask joblib for one only when there is one.

    While joblib waits for a result it polls a hundred times per second. That takes 1 % of a
    processor, more than everything else that this process does.
    """
    results: Any = None
    missing = object()
    try:
        with interrupts_blocked():  # the workers start here
            results = parallel(tasks)
        for received in count():
            _await_result(parallel, received)
            if (result := next(results, missing)) is missing:
                return
            yield result
    except BaseException as error:
        if results is not None:
            with warnings.catch_warnings():  # joblib counts the tasks that it cancels
                warnings.simplefilter("ignore", UserWarning)
                results.throw(error)  # joblib ends its workers and raises the error again
        raise


def _await_result(parallel: Any, received: int) -> None:
    """Wait until more tasks have ended than results were received, or no task is left.

    Return after `ASK_SECONDS` in any case: only when it is asked, joblib reports a failed task.
    """
    until, pause = time.monotonic() + ASK_SECONDS, POLL_SECONDS / 8
    while parallel.n_completed_tasks <= received < parallel.n_dispatched_tasks:
        if time.monotonic() > until:
            return
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)


def _in_windows(tasks: Iterator[Any], size: int) -> Iterator[Any]:
    """Run `size` tasks at once and wait for all of them: joblib on Ray cannot stream results."""
    import joblib

    with joblib.Parallel(-1) as parallel:
        while window := list(islice(tasks, size)):
            yield from parallel(window)


def _missing_package(package: str, engine: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"engine {engine} needs {package}; install it here and on all workers, or use engine local"
    )


def versions() -> dict[str, str]:
    """Return the versions that decide which graph a text becomes."""
    import rdkit

    return {"rdkit": rdkit.__version__, "featurizer": str(FEATURIZER_VERSION)}


@dataclass(frozen=True)
class VersionChecked:
    """A function that a worker runs only if it has the versions of the build."""

    function: Callable[..., Any]
    expected: tuple[tuple[str, str], ...]
    """Name and version, as pairs: joblib's Dask back end needs functions that can be hashed."""

    def __call__(self, *args: Any) -> Any:
        """Call the function.

        Raises:
            BuildError: this worker has other versions.
        """
        found, expected = versions(), dict(self.expected)
        if found != expected:
            raise BuildError(
                f"a worker on {platform.node()} has {found}, but the build has {expected}; "
                "install the same versions everywhere"
            )
        return self.function(*args)
