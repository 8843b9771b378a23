"""Appending gives the rows of one build and keeps splits; a failure leaves the old store."""

from __future__ import annotations

from pathlib import Path

import pytest

import pepland_data.builder.append as append_module
from pepland_data import open_store
from pepland_data.builder.append import append
from pepland_data.errors import BuildError
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import open_split, write_split
from tests.helpers.commands import cli
from tests.helpers.stores import built_store, files_but_manifest, files_of, write_rows


def test_appended_rows_give_the_files_of_one_build(tmp_path: Path) -> None:
    store, more = (
        built_store(tmp_path, "store", range(0, 24)),
        write_rows(tmp_path / "more.csv", range(24, 60)),
    )
    whole = built_store(tmp_path, "whole", range(60))
    old = open_store(store)
    write_split(old, make_split(old, seed=1))
    assigned = make_split(old, seed=1).assignment
    report = append(more, store)
    assert (report.rows, report.graphs, report.rejects) == (60, 52, 8)
    split = open_split(open_store(store))
    assert (split.assignment[: len(assigned)] == assigned).all()
    assert set(split.assignment[len(assigned) :]) == {255}
    assert {
        k: v for k, v in files_but_manifest(store).items() if "splits" not in k
    } == files_but_manifest(whole)
    assert append(more, store).nothing_to_do
    assert not (tmp_path / ".store.append").exists()


def test_a_failure_before_the_exchange_leaves_the_old_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, more = (
        built_store(tmp_path, "store", range(0, 24)),
        write_rows(tmp_path / "more.csv", range(24, 60)),
    )
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
