"""Runs of words are found by their words, whatever their hashes are."""

import numpy as np
import pytest

from pepland_data.chem.fast import word_table
from pepland_data.chem.fast.word_table import WordTable
from pepland_data.graph.columns import pointers


def look_up(table, runs):
    words = np.array([word for run in runs for word in run], np.int32)
    return table.look_up(words, pointers([len(run) for run in runs])).tolist()


def fill(table, runs):
    return [table.add(np.array(run, np.int32)) for run in runs]


@pytest.fixture
def runs():
    random = np.random.default_rng(1)
    found = {tuple(random.integers(-1, 4, random.integers(1, 9)).tolist()) for _ in range(5000)}
    return sorted(found)


def test_every_run_is_found_again_while_the_table_grows(runs):
    table = WordTable()
    for start in range(0, len(runs), 97):
        part = runs[start : start + 97]
        assert look_up(table, part) == [-1] * len(part)
        assert fill(table, part) == list(range(start, start + len(part)))
    assert look_up(table, runs[::-1]) == list(range(len(runs)))[::-1]
    assert look_up(table, [(9,), runs[3], runs[3]]) == [-1, 3, 3]
    assert len(table) == len(runs)
    assert table.nbytes == 4 * sum(map(len, runs))


def test_runs_with_the_same_hash_are_told_apart(runs, monkeypatch):
    monkeypatch.setattr(word_table, "hash_runs", lambda words, ptr: np.full(len(ptr) - 1, 7))
    table = WordTable()
    fill(table, runs[:300])
    assert look_up(table, runs[:301]) == [*range(300), -1]


def test_an_empty_run_gets_a_number_but_is_never_found():
    table = WordTable()
    assert fill(table, [(), (1,), ()]) == [0, 1, 2]
    assert look_up(table, [(), (1,), (2,)]) == [-1, 1, -1]
    assert look_up(table, []) == []


def test_a_cleared_table_knows_nothing():
    table = WordTable()
    fill(table, [(1,), (2,)])
    table.clear()
    assert look_up(table, [(1,)]) == [-1]
    assert (len(table), table.nbytes) == (0, 0)
    assert fill(table, [(2,)]) == [0]
