"""Steps, evaluations and hours, against the trainer."""

from __future__ import annotations

import pytest
import torch

from pepland_data.errors import InputError
from pepland_model.estimate.hours import (
    Stage,
    evaluated,
    evaluations_of,
    held_out,
    stage_hours,
    steps_of,
)
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.distributed import ProcessGroup
from pepland_model.run.log import events
from pepland_model.run.run_stores import split_rows
from pepland_model.train.train_data import open_data
from tests.helpers.train_worker import pretrain_tiny

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("epochs", "batch_size", "eval_every", "valid_fraction"),
    [(3, 8, 4, 0.2), (2, 8, 5, 0.2), (2, 16, 0, 0.2), (1, 8, 500, 0.2), (2, 8, 1, 0.0)],
)
def test_steps_and_evaluations_are_those_of_a_run(
    tmp_path, epochs, batch_size, eval_every, valid_fraction
) -> None:
    """The golden file has 36 graphs. The last batch of an epoch is not full."""
    flags = {"epochs": epochs, "batch_size": batch_size, "eval_every": eval_every}
    pretrain_tiny(tmp_path / "run", max_steps=0, valid_fraction=valid_fraction, **flags)
    train, valid = split_rows(36, valid_fraction, 0)
    assert len(train) % batch_size
    stage = Stage("tiny", len(train), epochs)
    found = stage_hours(stage, batch_size, 1.0, eval_every, len(valid), 1.0)
    assert found.steps == len(list(events(tmp_path / "run", "train")))
    assert found.evaluations == len(list(events(tmp_path / "run", "eval")))


@pytest.mark.parametrize(("accumulate", "eval_batches"), [(1, 0), (1, 1), (2, 1), (2, 3), (4, 500)])
def test_steps_and_graphs_of_an_evaluation_are_those_of_a_store(
    small_store, accumulate, eval_batches
) -> None:
    config = with_flags(TrainConfig(), {
        "shards": (small_store.location,), "batch_size": 8, "accumulate": accumulate,
        "valid_fraction": 0.4, "eval_batches": eval_batches, "device": "cpu",
    })  # fmt: skip
    data = open_data(config, ProcessGroup(0, 1, CPU), None)
    train, valid = split_rows(len(small_store), 0.4, 0)
    assert steps_of(Stage("one", len(train), 1), 8) == data.steps_per_epoch
    graphs = sum(batch.num_graphs for batch in data.evaluation() or ())
    assert evaluated(len(valid), 8 // accumulate, eval_batches) == graphs


def test_hours_are_steps_and_evaluations_times_their_seconds() -> None:
    """1,000,000 graphs x 50 epochs at 512: 1,954 steps an epoch, 97,700 of 0.36 s are 9.77 h.

    196 evaluations of 45,000 graphs at 12,500 graphs/s take 3.6 s each, together 0.196 h.
    """
    found = stage_hours(Stage("stage 1", 1_000_000, 50), 512, 0.36, 500, 45_000, 12_500)
    assert (found.steps, found.evaluations) == (97_700, 196)
    assert found.training_h == pytest.approx(9.77)
    assert found.evaluation_h == pytest.approx(0.196)
    assert found.hours == pytest.approx(9.966)


def test_a_stage_without_graphs_held_out_has_no_evaluations() -> None:
    found = stage_hours(Stage("stage", 1000, 3), 8, 0.36)
    assert (found.evaluations, found.evaluation_h) == (0, 0)
    assert found.hours == pytest.approx(375 * 0.36 / 3600)


@pytest.mark.parametrize(
    ("steps", "every", "count"), [(10, 5, 2), (11, 5, 3), (4, 5, 1), (10, 0, 1), (10, 1, 10)]
)
def test_the_end_of_a_run_is_evaluated_once(steps, every, count) -> None:
    assert evaluations_of(steps, every) == count


@pytest.mark.parametrize(("graphs", "fraction"), [(1, 0.5), (9, 0.0), (9, 1e-9), (2, 0.5)])
def test_few_graphs_are_held_out_as_a_run_does(graphs, fraction) -> None:
    assert held_out(graphs, fraction) == len(split_rows(graphs, fraction, 3)[1])


def test_a_share_of_many_graphs_is_held_out() -> None:
    """A run decides for each graph: the deviation is sqrt(100,000 x 0.05 x 0.95) = 69 graphs."""
    assert held_out(100_000, 0.05) == 5000
    assert abs(held_out(100_000, 0.05) - len(split_rows(100_000, 0.05, 0)[1])) < 4 * 69


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": "all"}, "batch_size is 'all'"),
        ({"step_s": -0.1}, "step_s is -0.1"),
        ({"step_s": float("nan")}, "step_s is nan"),
        ({"eval_every": -1}, "eval_every is -1"),
        ({"eval_graphs": -5}, "eval_graphs is -5"),
        ({"eval_graphs_per_s": None}, "eval_graphs_per_s is None"),
        ({"stage": Stage("s", 0, 1)}, "samples is 0"),
        ({"stage": Stage("s", 10, 0)}, "epochs is 0"),
    ],
)
def test_wrong_numbers_are_named(changed, message) -> None:
    given = {
        "stage": Stage("s", 10, 1), "batch_size": 4, "step_s": 0.1, "eval_graphs": 5,
        "eval_graphs_per_s": 10.0,
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        stage_hours(**given | changed)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, "half"])
def test_a_wrong_share_is_named(fraction) -> None:
    with pytest.raises(InputError, match="valid_fraction is"):
        held_out(10, fraction)
