"""What the estimate predicts is what was measured: on an H100, of older code, in a checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.estimate.h100 import FROM, MeasuredSteps, h100_every_row, h100_memory, h100_times
from benchmarks.estimate.older_code import older_code
from benchmarks.estimate.parameters import checkpoint_parameters
from pepland_model.estimate.corpus import Corpus
from pepland_model.run.config import ModelConfig

SPARE = (304 / 300) ** 2
"""More FLOPs of products are counted than the measured steps had: rows have 304 columns since."""
TIMES, OLDER_TIMES, EVERY_ROW, MEMORY = 0.15, 0.30, 0.55, 0.15
"""Largest errors that are allowed."""


@pytest.fixture(scope="module")
def corpus(small_store: Any) -> Corpus:
    return Corpus([str(small_store.path)], ModelConfig())


@pytest.fixture(scope="module")
def steps(corpus: Corpus) -> MeasuredSteps:
    return MeasuredSteps(corpus)


def test_times_of_an_h100_follow_from_steps_of_one_batch_size(steps: MeasuredSteps) -> None:
    found = h100_times(steps)
    tested = [row for row in found["rows"] if row["batch"] >= FROM and not row["fitted"]]
    assert {row["batch"] for row in tested} == {512, 8192}
    assert found["largest_error_from_512"] == max(abs(row["error_ms"]) for row in tested) < TIMES


def test_steps_of_every_row_take_no_longer_than_estimated(steps: MeasuredSteps) -> None:
    """Their products are larger than those the shares are fitted to, and reach more of the peak."""
    rows = h100_every_row(steps)["rows"]
    assert {row["kind"] for row in rows} == {"training", "inference"}
    assert all(
        1 < row["predicted_ms"] / row["measured_ms"] < (1 + EVERY_ROW) * SPARE for row in rows
    )


def test_memory_of_an_h100_grows_as_counted(steps: MeasuredSteps) -> None:
    rows = [row for row in h100_memory(steps)["rows"] if row["batch"] == 8192]
    assert len(rows) == 6
    # Inference in bf16 needed 0.26 GiB more than is counted; the cause is not known.
    known = [row for row in rows if (row["kind"], row["precision"]) == ("inference", "bf16")]
    assert all(abs(row["error_growth_gib"]) < 0.2 for row in known)
    assert all(abs(row["error_growth_gib"]) < MEMORY for row in rows if row not in known)


def test_times_and_memory_of_older_code(corpus: Corpus, shared_dir: Any) -> None:
    found = older_code(corpus, str(shared_dir))
    if "left_out" in found:
        pytest.skip(found["left_out"])
    assert len(found["rows"]) == 32
    assert found["largest_error_from_512_ms"] < OLDER_TIMES
    assert found["largest_error_of_growth_from_512"] < MEMORY


def test_a_checkpoint_has_the_parameters_that_are_counted(corpus: Corpus) -> None:
    rows = checkpoint_parameters(corpus)["rows"]
    assert len(rows) == 3
    assert all(row["predicted_parameters"] == row["measured_parameters"] > 0 for row in rows)
