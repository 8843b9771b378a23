"""The store of golden graphs equals a built one; it replaces one where RDKit is missing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.golden_store import write_golden_store


def test_a_store_without_rdkit_has_the_graphs_of_a_built_one(small_store, tmp_path) -> None:
    pytest.importorskip("rdkit")
    stand_in = write_golden_store(tmp_path / "store", slice(None), 10)
    assert len(stand_in) == len(small_store)
    assert list(stand_in.columns["length"]) == list(small_store.columns["length"])
    for row in range(len(small_store)):
        one, other = stand_in[row].dense(), small_store[row].dense()
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
