"""Numbers of keys compared with a plain dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pepland_model.network.states.distinct import sorted_inputs
from pepland_model.network.states.key_numbers import KeyNumbers, distinct, slot_of

KEYS = arrays(np.int64, st.integers(0, 60), elements=st.integers(-(2**63), 2**63 - 1) | st.just(7))


@given(st.lists(KEYS | arrays(np.int64, st.integers(0, 3000), elements=st.integers(0, 5000)),
                min_size=1, max_size=5))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_equal_keys_have_equal_numbers_in_all_calls(batches) -> None:
    numbers_of, known = KeyNumbers(), {}
    for keys in batches:
        size = len(numbers_of)
        numbers, places = numbers_of.number(keys)
        for k, place in enumerate(places.tolist()):
            assert keys[place] not in known
            known[keys[place]] = size + k
        assert numbers.tolist() == [known[key] for key in keys]
        assert len(numbers_of) == len(known)


def test_keys_that_share_every_slot_are_told_apart() -> None:
    """Many keys in one slot of the hash: slower, and still exact."""
    candidates = np.arange(3_000_000)
    for bits in (10, 13, 16):
        same = candidates[slot_of(candidates, bits) == 5][:40]
        numbers, places = distinct(np.repeat(same, 3))
        assert sorted(np.repeat(same, 3)[places].tolist()) == same.tolist()
        assert len(set(numbers.tolist())) == len(same)
        numbers_of = KeyNumbers()
        first, _ = numbers_of.number(same)
        again, new = numbers_of.number(same[::-1].copy())
        assert again.tolist() == first[::-1].tolist()
        assert len(new) == 0


@given(st.lists(st.lists(st.integers(0, 9), max_size=11), min_size=1, max_size=12))
def test_inputs_of_a_node_are_sorted_descending(nodes) -> None:
    degree = max(map(len, nodes))
    classes = np.array([c for node in nodes for c in node], np.int64)
    cell = [k * len(nodes) + v for v, node in enumerate(nodes) for k in range(len(node))]
    actual = sorted_inputs(classes, np.array(cell, np.int64), (degree, len(nodes)))
    expected = [sorted([c + 1 for c in n], reverse=True) + [0] * (degree - len(n)) for n in nodes]
    assert actual.T.tolist() == expected
