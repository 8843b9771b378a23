"""The check of the small test passes a run that learned, and no other."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from benchmarks.small_test import main

BASELINE = {"loss": 3.0}


def check(folder, sizes=(10_000, 1_000), steps=100, last=1.2, valid=1.3):
    """Write the files of a run that takes a second per step, and check it."""
    names = ("training peptides", "validation peptides")
    data = dict(zip(names, sizes, strict=True))
    summary = {"steps": steps, "metrics": {"loss": valid}, "baseline": BASELINE, "data": data}
    (folder / "summary.json").write_text(json.dumps(summary))
    speed = {"kind": "train", "graphs_per_s": 512}
    events = [
        {**speed, "step": step, "loss": last if step == steps else 5.0, "waiting_share": 1 / step}
        for step in range(10, steps + 1, 10)
    ]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(e)}\n" for e in events))
    return CliRunner().invoke(main, [str(folder)])


def test_a_run_that_learned_passes_and_its_speed_is_shown(tmp_path) -> None:
    result = check(tmp_path)
    assert result.exit_code == 0, result.output
    assert result.output.count("\nok ") == 2
    assert "training loss of the last steps 1.200, 40% of 3.000" in result.output
    assert "steps took 100.0 s, 500 peptides/s" in result.output
    assert "at most 10.0% of the time of 10 steps" in result.output


@pytest.mark.parametrize(
    "wrong",
    [{"sizes": (10_001, 999)}, {"steps": 90}, {"last": 2.9}, {"valid": 3.1},
     {"last": float("nan")}],
)  # fmt: skip
def test_a_run_that_is_not_the_small_test_or_did_not_learn_fails(tmp_path, wrong) -> None:
    result = check(tmp_path, **wrong)
    assert result.exit_code == 1
    assert result.output.count("NOT ") == 1
