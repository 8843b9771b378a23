"""Two builds in one folder: the second is refused, and a killed one leaves nothing in the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import pepland_data.files.folder_lock as lock_module
from pepland_data import build, open_store
from pepland_data.builder.append import append
from pepland_data.builder.merge import merge
from pepland_data.errors import BuildError
from pepland_data.files.folder_lock import BuildLock
from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from tests.helpers.commands import cli
from tests.helpers.stores import files_of, write_csv

PROGRAM = [sys.executable, "-c", "from pepland_cli.data import main; main()"]


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def wait_for(condition: object, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def source(tmp_path: Path) -> str:
    write_peptides(tmp_path / "in.csv", SynthOptions(3000, 1))
    return str(tmp_path / "in.csv")


def flags(source: str, out: Path, workers: int = 2) -> list[str]:
    return ["build", source, "--out", str(out), "--workers", str(workers), "--rows-per-shard", "50"]


def test_a_second_build_is_refused_and_the_first_ends_well(tmp_path: Path, source: str) -> None:
    out = tmp_path / "out"
    first = start(*flags(source, out))
    wait_for(lambda: list(out.glob(".build/*/done.json")))
    second = cli(*flags(source, out))
    assert second.returncode == 1
    assert f"built already, by process {first.pid} on".encode() in second.stderr
    assert second.stderr.count(b"\n") == 1
    assert first.wait(120) == 0
    assert len(open_store(out)) == 3000
    assert not (out / ".build").exists()


def test_a_killed_build_leaves_neither_lock_nor_workers(tmp_path: Path, source: str) -> None:
    out = tmp_path / "out"
    process = start(*flags(source, out))
    wait_for(lambda: list(out.glob(".build/*/done.json")))
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 4  # two workers, each with a converting process
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(below, timeout=5)
    assert not alive
    assert (out / ".build/lock").exists()
    begin = time.monotonic()
    with BuildLock(out / ".build"):
        assert time.monotonic() - begin < 1


def test_a_lock_ends_with_its_process_and_is_deleted_on_release(tmp_path: Path) -> None:
    with BuildLock(tmp_path / "work"):
        with pytest.raises(BuildError, match="is being built already, by process"):
            BuildLock(tmp_path / "work").take()
        assert json.loads((tmp_path / "work/lock").read_bytes())["beat"] >= 1
    assert not (tmp_path / "work/lock").exists()
    with BuildLock(tmp_path / "work") as lock:
        (tmp_path / "work/more").mkdir()
        lock.release(clear=True)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("alive", [True, False])
def test_the_lock_of_another_machine_holds_as_long_as_it_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alive: bool
) -> None:
    monkeypatch.setattr(lock_module, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lock_module, "WATCH_SECONDS", 1.0)
    path, end = tmp_path / "lock", threading.Event()

    def beat(number: int = 0) -> None:
        held = {"host": "node7", "pid": 4, "machine": "other", "beat": number}
        path.write_bytes(json.dumps(held).encode())
        if alive and not end.wait(0.1):
            beat(number + 1)

    other = threading.Thread(target=beat)
    other.start()
    wait_for(path.exists)
    if alive:
        with pytest.raises(BuildError, match="process 4 on node7"):
            BuildLock(tmp_path).take()
    else:
        with BuildLock(tmp_path):
            assert json.loads(path.read_bytes())["machine"] == lock_module.machine()
    end.set()
    other.join()


def test_without_locks_of_the_file_system_the_beat_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(file: int, operation: int) -> None:
        raise OSError(lock_module.errno.ENOLCK, "no locks")

    monkeypatch.setattr(lock_module.fcntl, "flock", none)
    monkeypatch.setattr(lock_module, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lock_module, "WATCH_SECONDS", 1.0)
    with BuildLock(tmp_path), pytest.raises(BuildError, match="is being built already"):
        BuildLock(tmp_path).take()
    with BuildLock(tmp_path):
        pass


def test_append_and_merge_are_locked_too(tmp_path: Path) -> None:
    build(write_csv(tmp_path / "a.csv", 8), tmp_path / "a")
    more = write_csv(tmp_path / "b.csv", 9)
    before = files_of(tmp_path / "a")
    with BuildLock(tmp_path / ".a.append"), pytest.raises(BuildError, match="already"):
        append(more, tmp_path / "a")
    with BuildLock(tmp_path / ".m.merging"), pytest.raises(BuildError, match="already"):
        merge([tmp_path / "a"], tmp_path / "m")
    assert files_of(tmp_path / "a") == before


def test_append_refuses_options_that_are_not_the_store_s(tmp_path: Path) -> None:
    out, more = str(tmp_path / "a"), str(write_csv(tmp_path / "b.csv", 9))
    assert cli("build", str(write_csv(tmp_path / "a.csv", 8)), "--out", out).returncode == 0
    before = files_of(tmp_path / "a")
    for given, said in (
        (["--cut", "amiibo"], b"cut 'adafrag'"),
        (["--standardize"], b"standardize False"),
        (["--rows-per-shard", "5"], b"rows_per_shard 1000"),
    ):
        done = cli("build", more, "--append", "--out", out, *given)
        assert done.returncode == 1
        assert said in done.stderr
        assert b"cannot be added" in done.stderr
    assert files_of(tmp_path / "a") == before
    same = ["--cut", "adafrag", "--workers", "1", "--smiles-column", "smiles"]
    assert cli("build", more, "--append", "--out", out, *same).returncode == 0
    assert len(open_store(out)) == 17


def test_append_without_a_store_builds_with_the_options_given(tmp_path: Path) -> None:
    out, more = str(tmp_path / "a"), str(write_csv(tmp_path / "b.csv", 9))
    done = cli("build", more, "--append", "--out", out, "--cut", "amiibo", "--rows-per-shard", "5")
    assert done.returncode == 0
    assert open_store(out).manifest.options["cut"] == "amiibo"
    assert len(open_store(out).manifest.shards) == 2
