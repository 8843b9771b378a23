"""The checks of the estimate run to their end, and tell what was predicted and measured."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.bench_estimate import PARTS, main
from benchmarks.estimate.compare import compared, largest_error, with_growth


def run(folder: Any, store: Any, *parts: str) -> dict[str, Any]:
    options = [word for part in parts for word in ("--part", part)]
    given = ["--quick", "--store", str(store.path), "--shared", str(folder / "none")]
    done = CliRunner().invoke(main, [*given, "--results", str(folder), *options])
    assert done.exit_code == 0, done.output
    return dict(json.loads((folder / "estimate_checks_quick.json").read_text("utf-8"))["results"])


def test_parts_add_to_the_file_and_say_why_they_were_left_out(tmp_path: Any, small_store) -> None:
    first = run(tmp_path, small_store, "h100_times")
    found = run(tmp_path, small_store, "older_code", "states")
    assert found["h100_times"] == first["h100_times"]
    assert all(row["predicted_ms"] > 0 for row in found["h100_times"]["rows"])
    assert "--shared" in found["older_code"]["left_out"]
    assert found["states"].get("rows") or "more" in found["states"]["left_out"]


@pytest.mark.slow
def test_every_part_runs(tmp_path: Any, small_store) -> None:
    found = run(tmp_path, small_store)
    assert [part for part in found if part in PARTS] == list(PARTS)
    assert all(row["predicted_mib"] > 0 for row in found["cpu"]["rows"])
    (_, two) = found["ranks"]["rows"]
    assert two["measured_bytes_per_step"] > two["largest_sum_bytes"] > 1e6


def test_what_was_in_use_before_is_in_no_difference() -> None:
    peaks = {4: (1.0, 3.0), 8: (2.0, 4.1)}
    rows = [{"batch": n, "of": "a", **compared("gib", *both)} for n, both in peaks.items()]
    first, second = with_growth(rows, lambda row: row["of"])
    assert "error_growth_gib" not in first
    assert second["error_growth_gib"] == pytest.approx(1 / 1.1 - 1, abs=1e-4)
    assert largest_error("growth_gib", [first, second]) == -second["error_growth_gib"]
    assert largest_error("growth_gib", [first]) is None
