"""Training and validation rows, and the order of the training graphs."""

from __future__ import annotations

import pytest
import torch

from pepland_data import GraphLoader
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.distributed import ProcessGroup
from pepland_model.run.run_stores import split_rows
from pepland_model.train.train_data import open_data
from tests.helpers.loader_checks import rows_of


def test_the_validation_split_is_the_same_each_time_and_stays_when_a_store_grows() -> None:
    train, valid = split_rows(1000, 0.1, 0)
    assert sorted([*train, *valid]) == list(range(1000))
    assert 60 < len(valid) < 140
    assert set(valid) <= set(split_rows(2000, 0.1, 0)[1])
    assert set(split_rows(1000, 0.1, 1)[1]) != set(valid)


@pytest.mark.parametrize(("rows", "fraction", "held"), [(1, 0.5, 0), (9, 0.0, 0), (9, 1e-9, 1)])
def test_small_splits_keep_something_on_each_side(rows, fraction, held) -> None:
    train, valid = split_rows(rows, fraction, 0)
    assert (len(train), len(valid)) == (rows - held, held)


@pytest.mark.parametrize(("shuffle", "order"), [("global", True), ("block", "block")])
def test_a_run_takes_its_training_graphs_in_the_order_it_names(small_store, shuffle, order) -> None:
    flags = {"shards": (small_store.location,), "shuffle": shuffle, "batch_size": 4, "seed": 3}
    config = with_flags(TrainConfig(), {**flags, "device": "cpu"})
    data = open_data(config, ProcessGroup(0, 1, torch.device("cpu")), None)
    rows = data.train.batching.order.rows[0]
    plain = GraphLoader(small_store, 4, shuffle=order, seed=3, subset=rows)
    assert rows_of(data.train) == rows_of(plain)
