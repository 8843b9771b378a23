"""One build at a time in a folder; a killed build does not prevent the next one."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

import pepland_data.files.folder_lock as lock_module
from pepland_cli.data import main
from pepland_data import build, open_store
from pepland_data.builder.append import append
from pepland_data.builder.merge import merge
from pepland_data.errors import BuildError
from pepland_data.files.folder_lock import BuildLock
from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from tests.helpers.commands import wait_for
from tests.helpers.stores import files_of

ROWS = 400


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["build", *map(str, arguments)])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the inputs ``a.csv`` and ``b.csv``, and the store ``a`` of the first."""
    folder = tmp_path_factory.mktemp("inputs")
    for name, rows in (("a", 8), ("b", 9)):
        peptides = ["NCC(=O)" * (n + 1) + "O\n" for n in range(rows)]
        (folder / f"{name}.csv").write_text("".join(["smiles\n", *peptides]))
    build(folder / "a.csv", folder / "a")
    return folder


@pytest.fixture
def store(inputs: Path, tmp_path: Path) -> Path:
    """A store of ``a.csv`` that the test may change."""
    return shutil.copytree(inputs / "a", tmp_path / "a")


@pytest.fixture
def stopped_build(tmp_path: Path):
    """The arguments of a build, and its process, stopped in the middle."""
    write_peptides(tmp_path / "in.csv", SynthOptions(ROWS, 1))
    flags = [tmp_path / "in.csv", "--out", tmp_path / "out", "--workers", 2, "--rows-per-shard", 10]
    program = [sys.executable, "-c", "from pepland_cli.data import main; main()", "build"]
    process = subprocess.Popen([*program, *map(str, flags)], stderr=subprocess.DEVNULL)
    wait_for(lambda: list(tmp_path.glob("out/.build/*/done.json")))
    process.send_signal(signal.SIGSTOP)
    yield flags, process
    process.kill()
    process.wait()


def test_a_second_build_is_refused_and_the_first_finishes(tmp_path: Path, stopped_build) -> None:
    flags, first = stopped_build
    second = run(*flags)
    assert second.exit_code == 1
    assert f"by process {first.pid} on" in second.stderr
    assert second.stderr.count("\n") == 1
    first.send_signal(signal.SIGCONT)
    assert first.wait(120) == 0
    assert len(open_store(tmp_path / "out")) == ROWS
    assert not (tmp_path / "out/.build").exists()


def test_a_killed_build_leaves_neither_lock_nor_workers(tmp_path: Path, stopped_build) -> None:
    _, process = stopped_build
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 4  # two workers, each with a process that converts
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(below, timeout=5)
    assert not alive
    assert (tmp_path / "out/.build/lock").exists()
    begin = time.monotonic()
    with BuildLock(tmp_path / "out/.build"):
        assert time.monotonic() - begin < 1


def test_a_lock_excludes_others_and_is_deleted_on_release(tmp_path: Path) -> None:
    with BuildLock(tmp_path / "work"):
        with pytest.raises(BuildError, match="is already being built by process"):
            BuildLock(tmp_path / "work").take()
        assert json.loads((tmp_path / "work/lock").read_bytes())["beat"] >= 1
    assert not (tmp_path / "work/lock").exists()
    with BuildLock(tmp_path / "work") as lock:
        (tmp_path / "work/more").mkdir()
        lock.release(clear=True)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("alive", [True, False])
def test_the_lock_of_another_machine_is_held_while_its_number_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alive: bool
) -> None:
    monkeypatch.setattr(lock_module, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lock_module, "WATCH_SECONDS", 5.0 if alive else 0.3)
    path, end = tmp_path / "lock", threading.Event()
    path.touch()

    def beat(number: int) -> None:
        held = {"host": "node7", "pid": 4, "machine": "other", "beat": number}
        with path.open("r+b") as file:  # like the holder, without a moment of an empty file
            file.write(json.dumps(held).encode())

    def beat_until_the_end() -> None:
        number = 1
        while not end.wait(0.1):
            number += 1
            beat(number)

    beat(1)
    if not alive:
        with BuildLock(tmp_path):
            assert json.loads(path.read_bytes())["machine"] == lock_module.machine()
        return
    other = threading.Thread(target=beat_until_the_end)
    other.start()
    try:
        with pytest.raises(BuildError, match="process 4 on node7"):
            BuildLock(tmp_path).take()
    finally:
        end.set()
        other.join()


def test_on_a_file_system_without_locks_the_growing_number_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(lock_module.errno.ENOLCK, "no locks")

    monkeypatch.setattr(lock_module.fcntl, "flock", refuse)
    monkeypatch.setattr(lock_module, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lock_module, "WATCH_SECONDS", 5.0)
    with BuildLock(tmp_path), pytest.raises(BuildError, match="is already being built"):
        BuildLock(tmp_path).take()
    with BuildLock(tmp_path):
        pass


def test_append_and_merge_are_locked_too(inputs: Path, store: Path, tmp_path: Path) -> None:
    before = files_of(store)
    with BuildLock(tmp_path / ".a.append"), pytest.raises(BuildError, match="already"):
        append(inputs / "b.csv", store)
    with BuildLock(tmp_path / ".m.merging"), pytest.raises(BuildError, match="already"):
        merge([store], tmp_path / "m")
    assert files_of(store) == before


def test_append_refuses_options_that_differ_from_those_of_the_store(
    inputs: Path, store: Path
) -> None:
    more, before = [inputs / "b.csv", "--append", "--out", store], files_of(store)
    for given, said in (
        (["--cut", "amiibo"], "cut 'adafrag'"),
        (["--standardize"], "standardize False"),
        (["--rows-per-shard", "5"], "rows_per_shard 1000"),
    ):
        done = run(*more, *given)
        assert done.exit_code == 1
        assert said in done.stderr
        assert "cannot be added" in done.stderr
    assert files_of(store) == before
    same = ["--cut", "adafrag", "--workers", "1", "--smiles-column", "smiles"]
    assert run(*more, *same).exit_code == 0
    assert len(open_store(store)) == 17


def test_append_without_a_store_builds_with_the_options_given(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    flags = ["--append", "--out", out, "--cut", "amiibo", "--rows-per-shard", 5, "--workers", 1]
    assert run(inputs / "b.csv", *flags).exit_code == 0
    assert open_store(out).manifest.options["cut"] == "amiibo"
    assert len(open_store(out).manifest.shards) == 2
