"""All-reduce of several cards, against formulas, limits and measured scaling."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pepland_data.errors import InputError
from pepland_model.estimate.cards import card, cards
from pepland_model.estimate.scaling import (
    COUNTS_BYTES,
    STEP_LATENCY_S,
    all_reduce_seconds,
    bus_gb_per_s,
    scaled,
)

GRADIENTS = 4 * 6_470_000
"""Bytes of the gradients of the pre-training network."""
SIZES = (1, 2, 3, 4, 8)
RESNET = {512: (1.94, 3.74), 256: (1.89, 3.46), 128: (1.80, 3.17), 64: (1.66, 2.51)}
"""Batch -> speedup of two and of four RTX 4090: ResNet-50, fp16, 102 MB of gradients
(server-gear.com, read 2026-11-26)."""
RESNET_BYTES = 102_000_000


@pytest.mark.parametrize(("gpus", "moved_mb"), [(2, 26), (4, 39), (8, 45.5)])
def test_a_ring_moves_2_n_minus_1_of_n_of_the_bytes(gpus, moved_mb) -> None:
    """26 MB at 10 to 20 GB/s on the RTX 4090, besides 40 us of latency for eight cards."""
    for fast, bus in ((False, 10), (True, 20)):
        seconds = all_reduce_seconds(26_000_000, gpus, card("rtx-4090"), fast)
        latency = 40e-6 * (gpus - 1) / 7
        assert 1e3 * (seconds - latency) == pytest.approx(moved_mb / bus, rel=1e-6)


def test_an_all_reduce_of_8_bytes_takes_about_as_long_as_measured() -> None:
    assert 1e6 * all_reduce_seconds(8, 8, card("rtx-4090")) == pytest.approx(40, rel=0.01)
    assert 1e6 * all_reduce_seconds(8, 2, card("h100-sxm")) == pytest.approx(6, rel=0.1)


@pytest.mark.parametrize(
    ("name", "gpus", "slow", "fast"),
    [
        ("rtx-4090", 8, 10, 20),
        ("h100-sxm", 8, 174, 370),
        ("h100-pcie", 2, 116, 247),
        ("h100-pcie", 4, 40, 56),
        ("rtx-3090", 2, 21.75, 46.25),
        ("rtx-3090", 4, 10, 20),
        ("l40s", 4, 20, 28),
    ],
)
def test_the_bus_is_nvlink_where_it_joins_all_cards_else_pcie(name, gpus, slow, fast) -> None:
    """GB/s."""
    assert bus_gb_per_s(gpus, card(name)) == pytest.approx(slow, rel=0.01)
    assert bus_gb_per_s(gpus, card(name), fast=True) == pytest.approx(fast, rel=0.01)


@pytest.mark.parametrize(
    ("name", "gpus", "measured"),
    [("rtx-5090", 4, 35), ("rtx-5090", 8, 28), ("a100-80", 8, 200), ("a100-80", 2, 208)],
)
def test_measured_bandwidths_that_set_no_constant_lie_in_the_range(name, gpus, measured) -> None:
    """GB/s: NVIDIA/nccl issue 1639 (2025), NVIDIA/nccl-tests issues 149 and 178 (2023)."""
    one = card(name)
    assert bus_gb_per_s(gpus, one) <= measured <= bus_gb_per_s(gpus, one, fast=True)


@pytest.mark.parametrize("batch", RESNET)
def test_four_cards_scale_as_two_cards_of_the_same_machine_say(batch) -> None:
    """The step time is not given, so the speedup of two cards gives it, in units of an all-reduce.

    From it follows the speedup of four cards, at any bandwidth. The bandwidth of that machine falls
    from two to four cards, so the prediction is an upper bound; it is within 10 % from batch 128.
    """
    on_two, on_four = RESNET[batch]
    one = card("rtx-4090")
    step_s = all_reduce_seconds(RESNET_BYTES, 2, one) / (2 / on_two - 1)
    assert scaled(step_s, RESNET_BYTES, 2, one).speedup == pytest.approx(on_two, rel=1e-3)
    predicted = scaled(step_s, RESNET_BYTES, 4, one).speedup
    assert on_four < predicted < on_four * (1.1 if batch >= 128 else 1.25)


@pytest.mark.parametrize("batch", RESNET)
def test_from_two_to_four_cards_an_all_reduce_takes_longer_as_the_range_allows(batch) -> None:
    """1.5 times at one bandwidth, at most 3 times if it falls from 20 to 10 GB/s."""
    on_two, on_four = RESNET[batch]
    grown = (4 / on_four - 1) / (2 / on_two - 1)
    one = card("rtx-4090")
    two, four = (all_reduce_seconds(RESNET_BYTES, gpus, one, fast=True) for gpus in (2, 4))
    assert four / two < grown < all_reduce_seconds(RESNET_BYTES, 4, one) / two


def test_one_card_has_no_all_reduce() -> None:
    for one in cards().values():
        alone = scaled(0.02, GRADIENTS, 1, one)
        assert (alone.step_s, alone.all_reduce_s) == (0.02, 0)
        assert (alone.speedup, alone.efficiency) == (1, 1)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", cards())
def test_more_cards_never_make_a_step_shorter_and_efficiency_falls(name, fast) -> None:
    found = [scaled(0.006, GRADIENTS, gpus, card(name), fast) for gpus in SIZES]
    for fewer, more in pairwise(found):
        assert more.step_s > fewer.step_s >= 0.006
        assert 0 < more.efficiency < fewer.efficiency <= 1
    for gpus, one in zip(SIZES, found, strict=True):
        assert one.speedup == pytest.approx(gpus * one.efficiency)


def test_a_step_is_the_passes_and_the_sums_of_counts_and_gradients() -> None:
    one = card("rtx-4090")
    found = scaled(0.06, GRADIENTS, 2, one)
    bytes_s = (GRADIENTS + COUNTS_BYTES) / 10e9
    assert found.all_reduce_s == pytest.approx(bytes_s + 4 * STEP_LATENCY_S)
    assert found.step_s == pytest.approx(0.06 + found.all_reduce_s)
    assert found.efficiency == pytest.approx(0.06 / found.step_s)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gpus": 0}, "gpus is 0"),
        ({"gpus": 2.5}, "gpus is 2.5"),
        ({"gpus": "two"}, "gpus is 'two'"),
        ({"step_s": 0}, "step_s is 0"),
        ({"step_s": -1}, "step_s is -1"),
        ({"gradient_bytes": -4}, "gradient_bytes is -4"),
    ],
)
def test_wrong_numbers_are_named(changed, message) -> None:
    given = {"step_s": 0.06, "gradient_bytes": GRADIENTS, "gpus": 2, "card": card("rtx-4090")}
    with pytest.raises(InputError, match=message):
        scaled(**given | changed)
