"""Tests and module fixtures compute with one thread, also after a test that set more."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="module")
def threads_of_the_module() -> int:
    return torch.get_num_threads()


def test_a_test_may_ask_for_threads_of_its_own() -> None:
    torch.set_num_threads(3)
    assert torch.get_num_threads() == 3


def test_the_next_one_and_its_module_fixtures_have_one_thread(threads_of_the_module) -> None:
    assert (threads_of_the_module, torch.get_num_threads()) == (1, 1)
