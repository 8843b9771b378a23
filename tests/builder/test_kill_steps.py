"""A command killed at any step leaves no damage, and the same command gives the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

pytest.importorskip("rdkit")
pytest.importorskip("zarr")


PROGRAM = """
import os, sys
import zarr  # once, not in each of the killed processes
os.fsync = lambda descriptor: None  # still a step; only a loss of power would show a difference
from benchmarks.common import kill_steps
folder, *scenarios = sys.argv[1:]
while scenarios:
    sys.argv[1:] = [f"{folder}/{len(scenarios)}", scenarios.pop(), scenarios.pop()]
    kill_steps.main()
"""
FEW = {"build": 41, "build --dedup": 79, "build --format zarr": 141, "append": 53, "merge": 19}
"""Scenario -> every which step of it is a kill, in the test that runs each time."""


def kills(folder: Path, every: dict[str, int]) -> list[dict[str, object]]:
    scenarios = [word for scenario, steps in every.items() for word in (str(steps), scenario)]
    command = [sys.executable, "-c", PROGRAM, str(folder), *scenarios]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(rows: list[dict[str, object]]) -> None:
    assert all(row["killed"] for row in rows)
    assert not [row for row in rows if "DAMAGED" in str(row["found"])]
    assert not [row for row in rows if not row["identical"] or row["again"]]


def test_a_few_kills_of_each_command(tmp_path: Path) -> None:
    rows = kills(tmp_path, FEW)
    check(rows)
    assert all(sum(row["scenario"] == scenario for row in rows) >= 3 for scenario in FEW)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", FEW)
def test_kills_at_every_third_step(tmp_path: Path, scenario: str) -> None:
    rows = kills(tmp_path, {scenario: 3})
    check(rows)
    assert len({row["found"] for row in rows}) >= (3 if "build" in scenario else 2)
