"""Killed at any step, found without damage, and after the same command again: the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

pytest.importorskip("rdkit")


def kills(folder: Path, scenario: str, every: int) -> list[dict[str, object]]:
    program = [
        sys.executable,
        "-m",
        "benchmarks.common.kill_steps",
        str(folder),
        scenario,
        str(every),
    ]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(rows: list[dict[str, object]]) -> None:
    assert all(row["killed"] for row in rows)
    assert not [row for row in rows if "DAMAGED" in str(row["found"])]
    assert not [row for row in rows if not row["identical"] or row["again"]]


@pytest.mark.parametrize("scenario", ["build", "merge"])
def test_a_few_kills_at_steps(tmp_path: Path, scenario: str) -> None:
    rows = kills(tmp_path, scenario, 29)
    check(rows)
    assert len(rows) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario", ["build", "build --dedup", "build --format zarr", "append", "merge"]
)
def test_kills_at_every_third_step(tmp_path: Path, scenario: str) -> None:
    rows = kills(tmp_path, scenario, 3)
    check(rows)
    assert len({row["found"] for row in rows}) >= (3 if "build" in scenario else 2)
