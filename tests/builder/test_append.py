"""Appending: the rows of one build, splits kept, and a kill leaves one store or the other."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pepland_data.builder.append as append_module
from pepland_data import open_store
from pepland_data.builder.append import append
from pepland_data.errors import BuildError
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import open_split, write_split
from pepland_data.store.verify import verify
from tests.builder.test_build import cli, files_of
from tests.builder.test_merge import content, made, write


def test_appended_rows_give_the_files_of_one_build(tmp_path: Path) -> None:
    store, more = made(tmp_path, "store", range(0, 24)), write(tmp_path / "more.csv", range(24, 60))
    whole = made(tmp_path, "whole", range(60))
    old = open_store(store)
    write_split(old, make_split(old, seed=1))
    assigned = make_split(old, seed=1).assignment
    report = append(more, store)
    assert (report.rows, report.graphs, report.rejects) == (60, 52, 8)
    split = open_split(open_store(store))
    assert (split.assignment[: len(assigned)] == assigned).all()
    assert set(split.assignment[len(assigned) :]) == {255}
    assert {k: v for k, v in content(store).items() if "splits" not in k} == content(whole)
    assert append(more, store).nothing_to_do
    assert not (tmp_path / ".store.append").exists()


def test_a_killed_append_leaves_the_old_store_or_the_new_one(tmp_path: Path) -> None:
    store, more = made(tmp_path, "store", range(0, 24)), write(tmp_path / "more.csv", range(24, 60))
    code = "from pepland_cli.data import main; main()"
    command = [sys.executable, "-c", code, "build", str(more), "--append", "--out", str(store)]
    command += ["--max-reject-frac", "1"]
    for delay in (0.5, 0.8, 1.0, 1.2, 1.4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert verify(store).sound
        assert len(open_store(store)) in (18, 52)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert content(store) == content(made(tmp_path, "whole", range(60)))


def test_a_failure_before_the_exchange_leaves_the_old_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, more = made(tmp_path, "store", range(0, 24)), write(tmp_path / "more.csv", range(24, 60))
    before = files_of(store)

    def refuse(new: Path, old: Path) -> None:
        raise BuildError("cannot be exchanged")

    monkeypatch.setattr(append_module, "exchange", refuse)
    with pytest.raises(BuildError):
        append(more, store)
    assert files_of(store) == before


def test_append_needs_a_file(tmp_path: Path) -> None:
    done = cli("build", "-", "--append", "--out", str(tmp_path / "s"), stdin=b"smiles\nC\n")
    assert done.returncode == 1
    assert b"reads a file" in done.stderr
