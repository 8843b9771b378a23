"""Which graphs are held out: the same each time, and few where there are few."""

from __future__ import annotations

import numpy as np
import pytest

from pepland_model.run_data import row_hash, split_rows


def test_the_validation_split_is_the_same_each_time_and_stays_when_a_store_grows() -> None:
    train, valid = split_rows(1000, 0.1, 0)
    assert sorted([*train, *valid]) == list(range(1000))
    assert 60 < len(valid) < 140
    assert set(valid) <= set(split_rows(2000, 0.1, 0)[1])
    assert set(split_rows(1000, 0.1, 1)[1]) != set(valid)
    assert len(set(row_hash(np.arange(1000), 0).tolist())) == 1000


@pytest.mark.parametrize(("rows", "fraction", "held"), [(1, 0.5, 0), (9, 0.0, 0), (9, 1e-9, 1)])
def test_small_splits_keep_something_on_each_side(rows, fraction, held) -> None:
    train, valid = split_rows(rows, fraction, 0)
    assert (len(train), len(valid)) == (rows - held, held)
