"""Classes of equal rows by a hash table, against plain ones. On a CPU the interpreter runs it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
EMPTY = -0x7FFF_FFFF_FFFF_FFFF


def plain(key, room):
    """Return classes, first rows and their number for one section."""
    numbers: dict[int, int] = {}
    first, classes = [], []
    for row, value in enumerate(key.tolist()):
        if value not in numbers:
            numbers[value] = len(numbers)
            first.append(row)
        classes.append(min(numbers[value], room - 1))
    return classes, (first + room * [0])[:room], len(numbers)


def check(keys, rooms, marks=None):
    """Compare the classes of sections; return whether they may not be used."""
    from pepland_model.network.kernels.distinct import distinct

    key = torch.from_numpy(np.concatenate(keys)).to(DEVICE)
    marks = None if marks is None else torch.from_numpy(marks).to(DEVICE)
    sections, bad = distinct(key, marks, tuple(map(len, keys)), tuple(rooms))
    assert len(sections) == len(keys)
    assert bad.dtype == torch.bool
    assert bad.shape == ()
    for values, room, section in zip(keys, rooms, sections, strict=True):
        classes, first, found = plain(values, room)
        assert section.of_row.tolist() == classes
        assert section.first.tolist() == first
        assert section.found.tolist() == found
    return bool(bad)


@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 80), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_classes_are_numbered_by_their_first_rows(rows, kinds, room, seed) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2**63), 2**63 - 1, kinds)
    assert not check([values[rng.integers(0, kinds, rows)]], [room])


@pytest.mark.parametrize(("first", "second"), [(130, 7), (1, 300), (200, 0), (0, 5), (128, 128)])
def test_two_sections_are_numbered_apart(first, second) -> None:
    rng = np.random.default_rng(first)
    keys = [rng.integers(0, 40, first), rng.integers(100, 109, second)]
    for rooms in ((50, 20), (7, 3), (500, 1)):
        assert not check(keys, rooms)


@pytest.mark.parametrize("kinds", [1, 2, 300])
def test_keys_that_share_a_slot_are_told_apart(kinds) -> None:
    assert not check([np.arange(300) % kinds * 2**40], [kinds])


def test_the_key_of_an_empty_slot_is_a_key() -> None:
    assert not check([np.array([EMPTY, 0, EMPTY, -1, 0])], [4])


def test_no_rows_have_no_classes() -> None:
    assert not check([np.zeros(0, np.int64)], [3])
    assert not check([np.zeros(0, np.int64), np.zeros(0, np.int64)], [3, 2])


def test_rows_of_a_class_that_differ_are_found() -> None:
    rng = np.random.default_rng(0)
    key = rng.integers(0, 30, 200)
    marks = key * 7
    assert not check([key], [64], marks)
    marks[199] += 1
    assert check([key], [64], marks)
    assert not check([key], [64])


def test_a_full_table_is_reported_and_not_waited_for() -> None:
    from pepland_model.network.kernels import number_rows
    from pepland_model.network.kernels.distinct import _slots

    table = number_rows.Table(8, torch.device(DEVICE))
    key = torch.arange(40, device=DEVICE)
    slot_of = torch.empty_like(key)
    arguments = table.keys, table.lowest, table.trouble, slot_of, 40, table.slots
    _slots[(1,)](key, *arguments, BLOCK=number_rows.BLOCK)
    assert bool(table.trouble[0])
