"""Engines: a Dask cluster gives the same bytes, also when one of its workers is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pepland_data import FeaturizeOptions, build, open_store
from pepland_data.builder.options import BuildOptions
from pepland_data.builder.workers.engines import Engine, VersionChecked, versions
from pepland_data.chem.monomers.given_files import given_monomers
from pepland_data.errors import BuildError, InputError, MissingDependencyError
from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from tests.helpers.commands import PROGRAM, cli, wait_for
from tests.helpers.monomer_files import MOLECULES, write_library
from tests.helpers.stores import PEPTIDES, files_of

pytest.importorskip("distributed")
WORKER = ["worker", "--nworkers", "1", "--nthreads", "2", "--no-dashboard", "--no-nanny"]


def dask(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    log = (folder / f"{arguments[0]}.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(folder / "scheduler")],
        stdout=log, stderr=log, cwd=folder, env=environment(),
    )  # fmt: skip


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A scheduler in a process of its own; tests start the workers they need."""
    folder = tmp_path_factory.mktemp("dask")
    scheduler = dask(folder, "scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
    try:
        wait_for(lambda: (folder / "scheduler").exists() and address(folder))
        yield address(folder), folder
    finally:
        end(scheduler)


def address(folder: Path) -> str:
    try:
        found: str = json.loads((folder / "scheduler").read_text())["address"]
    except ValueError:  # half written
        return ""
    return found


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_bytes_of_one_process(
    tmp_path: Path, cluster: tuple[str, Path]
) -> None:
    scheduler, folder = cluster
    write_peptides(tmp_path / "in.csv", SynthOptions(1500, 3))
    build(tmp_path / "in.csv", tmp_path / "plain", BuildOptions(rows_per_shard=25))
    workers = [dask(folder, *WORKER) for _ in range(2)]
    build_it = [*PROGRAM, "build"]
    build_it += [str(tmp_path / "in.csv"), "--out", str(tmp_path / "out"), "--engine", "dask"]
    build_it += ["--address", scheduler, "--rows-per-shard", "25", "--input-format", "smiles"]
    run = subprocess.Popen(build_it, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(list(tmp_path.glob("out/.build/*/done.json"))) >= 12)
        below = psutil.Process(workers[0].pid).children(recursive=True)
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        assert (
            len(list(tmp_path.glob("out/.build/*/done.json"))) < 60
        )  # the build is not finished yet
        _, said = run.communicate(timeout=120)
        assert run.returncode == 0, said
        assert not psutil.wait_procs(below, timeout=5)[1]
    finally:
        run.kill()
        for worker in workers:
            end(worker)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "plain")


@pytest.mark.slow
def test_a_cluster_reads_monomers_of_a_library_that_it_cannot_see(
    tmp_path: Path, cluster: tuple[str, Path]
) -> None:
    scheduler, folder = cluster
    (tmp_path / "in.csv").write_text("helm\n" + "".join(f'"{text}"\n' for text in MOLECULES))
    library = write_library(tmp_path / "lib.csv")
    featurize = FeaturizeOptions(input_format="helm", monomers=given_monomers([library]))
    library.unlink()
    worker = dask(folder, *WORKER)
    try:
        for name, engine in (("local", {}), ("dask", {"engine": "dask", "address": scheduler})):
            build(tmp_path / "in.csv", tmp_path / name, BuildOptions(featurize, **engine))
    finally:
        end(worker)
    assert len(open_store(tmp_path / "dask")) == len(MOLECULES)
    assert files_of(tmp_path / "dask") == files_of(tmp_path / "local")


@pytest.mark.slow
def test_ray_gives_the_bytes_of_one_process(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not among the requirements")
    write_peptides(tmp_path / "in.csv", SynthOptions(300, 3))
    for engine in ("local", "ray"):
        options = BuildOptions(rows_per_shard=25, engine=engine)
        build(tmp_path / "in.csv", tmp_path / engine, options)
    ray.shutdown()
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "local")


def test_a_worker_with_other_versions_is_refused(
    tmp_path: Path, cluster: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, folder = cluster
    (tmp_path / "in.smi").write_text("\n".join(PEPTIDES * 5))
    worker = dask(folder, *WORKER)
    try:
        options = BuildOptions(rows_per_shard=5, engine="dask", address=scheduler)
        build(tmp_path / "in.smi", tmp_path / "out", options)
        assert len(open_store(tmp_path / "out")) == 20
        monkeypatch.setattr("pepland_data.builder.workers.engines.FEATURIZER_VERSION", 99)
        with pytest.raises(BuildError, match="install the same versions everywhere"):
            build(tmp_path / "in.smi", tmp_path / "other", options)
    finally:
        end(worker)


def test_a_scheduler_without_workers_is_a_one_line_error(
    cluster: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepland_data.builder.workers.engines.WORKERS_SECONDS", 1)
    with pytest.raises(BuildError, match="has no workers; start some"):
        list(Engine(name="dask", address=cluster[0]).run(len, [([],)], ordered=True))


def test_missing_or_unexpected_addresses_are_one_line_errors(tmp_path: Path) -> None:
    (tmp_path / "in.smi").write_text("\n".join(PEPTIDES))
    flags = ["build", str(tmp_path / "in.smi"), "--out", str(tmp_path / "out"), "--engine"]
    for more, said in (
        (["dask"], b"needs --address"),
        (["local", "--address", "tcp://127.0.0.1:9"], b"goes with engine dask or ray"),
    ):
        done = cli(*flags, *more)
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr
        assert done.stderr.count(b"\n") == 1


def test_no_scheduler_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepland_data.builder.workers.engines.CONNECT_SECONDS", 1)
    begin = time.monotonic()
    with pytest.raises(BuildError, match="no Dask scheduler answers at tcp:"):
        list(Engine(name="dask", address="tcp://127.0.0.1:9").run(len, [([],)], ordered=True))
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=f"engine {name} needs"):
        list(Engine(name=name, address="x").run(len, [([],)], ordered=True))


def test_engines_are_checked_when_they_are_named() -> None:
    for flags in ({"name": "slurm"}, {"workers": 0}, {"name": "dask"}, {"address": "x"}):
        with pytest.raises(InputError):
            Engine(**flags)  # type: ignore[arg-type]


def test_a_checked_call_runs_where_versions_agree() -> None:
    assert VersionChecked(len, tuple(versions().items()))("abc") == 3
    with pytest.raises(BuildError, match="install the same versions"):
        VersionChecked(len, (("rdkit", "1999.1"),))("abc")


def wait_and_name(number: int, seconds: float) -> int:
    time.sleep(seconds)
    if number == 13:
        raise ValueError("thirteen")
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_or_as_they_arrive_and_errors_too(workers: int) -> None:
    engine = Engine(workers=workers)
    tasks = [(number, 0.02 * (number % 3)) for number in range(12)]
    assert list(engine.run(wait_and_name, tasks, ordered=True)) == list(range(12))
    assert sorted(engine.run(wait_and_name, iter(tasks), ordered=False)) == list(range(12))
    assert list(engine.run(wait_and_name, [], ordered=False)) == []
    with pytest.raises(ValueError, match="thirteen"):
        list(engine.run(wait_and_name, [*tasks, (13, 0.0), *tasks], ordered=False))


def test_waiting_for_workers_costs_next_to_nothing() -> None:
    """joblib alone polls a hundred times per second, 50 to 100 microseconds each time."""
    engine = Engine(workers=2)
    list(engine.run(wait_and_name, [(1, 0.0)] * 4, ordered=False))  # start the workers
    before = psutil.Process().num_ctx_switches().voluntary
    list(engine.run(wait_and_name, [(1, 0.5)] * 6, ordered=False))
    assert psutil.Process().num_ctx_switches().voluntary - before < 75


def blocked_signals(_: int) -> set[signal.Signals]:
    return {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])}


def test_workers_are_started_with_signals_blocked() -> None:
    """Workers set no mask themselves: what a task sees held when the process was started."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    engine = Engine(workers=3)  # another number than in other tests, so new workers
    masks = list(engine.run(blocked_signals, [(i,) for i in range(6)], ordered=True))
    assert all({signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= mask for mask in masks)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
