"""A build stops early if most of the first rows are rejects, whatever the number of workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepland_data import BuildOptions, build
from pepland_data.builder import first_rows
from pepland_data.builder.options import options_of
from pepland_data.errors import TooManyRejectsError
from tests.helpers.commands import cli
from tests.helpers.stores import PEPTIDES, files_of


@pytest.fixture(autouse=True)
def _forty_rows_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_rows, "FIRST_ROWS", 40)


def written(path: Path, bad: range, rows: int = 100) -> Path:
    lines = ["CC(" if i in bad else PEPTIDES[i % 4] for i in range(rows)]
    path.write_text("smiles\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def options(allowed: float, workers: int = 1) -> BuildOptions:
    return options_of({"rows_per_shard": 10}, max_reject_frac=allowed, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_says_how_many_why_and_how_to_go_on(tmp_path: Path, workers: int) -> None:
    path = written(tmp_path / "in.csv", range(5, 30))
    with pytest.raises(TooManyRejectsError) as caught:
        build(path, tmp_path / "store", options(0.1, workers))
    assert str(caught.value) == (
        "25 of the first 40 rows were rejected (25 rows: parse: RDKit cannot read this SMILES), a "
        "larger share than the 0.1 of --max-reject-frac; if that is right, run the same command "
        "with --max-reject-frac 1 to go on"
    )
    assert not (tmp_path / "store" / "manifest.json").exists()
    report = build(path, tmp_path / "store", options(1.0))
    assert (report.graphs, report.rejects) == (75, 25)
    assert report.resumed_shards >= 4
    build(path, tmp_path / "at-once", options(1.0))
    assert files_of(tmp_path / "store") == files_of(tmp_path / "at-once")


@pytest.mark.parametrize(
    ("bad", "rows", "allowed"),
    [
        (range(20), 100, 0.1),  # half of the first rows
        (range(30), 100, 0.8),  # as allowed
        (range(50, 100), 100, 0.1),  # later rows
        (range(39), 40, 0.1),  # no row is left
    ],
)
def test_a_build_goes_on_if(tmp_path: Path, bad: range, rows: int, allowed: float) -> None:
    path = written(tmp_path / "in.csv", bad, rows)
    assert build(path, tmp_path / "store", options(allowed)).rejects == len(bad)


def test_a_short_input_is_judged_at_its_end(tmp_path: Path) -> None:
    path = written(tmp_path / "in.csv", range(1, 30), 30)
    assert build(path, tmp_path / "store", options(0.1)).graphs == 1


@pytest.mark.parametrize("more", [[], ["--append"]])
def test_the_command_ends_with_code_three(tmp_path: Path, more: list[str]) -> None:
    path, store = written(tmp_path / "in.csv", range(60)), str(tmp_path / "store")
    shared = [str(path), "--out", store, "--rows-per-shard", "10", "--workers", "1", *more]
    stopped = cli("build", *shared)
    assert stopped.returncode == 3
    assert b"error: 40 of the first 40 rows" in stopped.stderr
    assert b"Traceback" not in stopped.stderr
    assert cli("build", *shared, "--max-reject-frac", "1").returncode == 0
