"""Memory of steps on cards: parts add up, and the largest batch is the largest that fits."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest

from pepland_model.estimate import memory as memories
from pepland_model.estimate.cards import card
from pepland_model.estimate.memory import (
    CONTEXT_GIB,
    EAGER_RESERVED,
    GIB,
    MIB,
    RESERVED,
    Memory,
    largest_batch,
    memory_by_batch,
    memory_parts,
    memory_savers,
)
from pepland_model.estimate.speed import Speeds
from pepland_model.estimate.work import KINDS, PRECISIONS
from pepland_model.network.fixed_program import IN_FLIGHT

BATCH, LARGEST = 64, 256
RTX = card("rtx-4090")


@pytest.fixture(scope="module", autouse=True)
def counted(memory):
    """Try batches of up to 256 graphs, and count their steps at once."""
    with patch.object(memories, "LARGEST", LARGEST):
        memory.count([2**n for n in range(LARGEST.bit_length())])
        yield


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_parts_add_up_to_the_peak_the_next_batches_and_slack(memory, kind, precision) -> None:
    parts = memory.parts(kind, precision, BATCH)
    next_ones = (IN_FLIGHT + 1) * memory.work.corpus.sizes(BATCH).bytes
    used = memory.work.work(kind, precision, BATCH).peak_bytes + next_ones
    assert memory.used_gib(kind, precision, BATCH) == pytest.approx(used / GIB)
    reserved = memory.reserved * used
    assert sum(parts.values()) == pytest.approx(reserved)
    assert memory.reserved_gib(kind, precision, BATCH) == pytest.approx(
        reserved / GIB + CONTEXT_GIB
    )
    assert min(parts.values()) >= 0


def test_slack_is_that_of_the_measured_card_where_a_step_is_recorded(memory, bounds) -> None:
    assert memory.reserved == memory.speeds.calibration.reserved
    assert Memory(bounds, 1).reserved == RESERVED
    never = memory.of(memory.work.changed(dedup="never"))
    assert never.reserved == EAGER_RESERVED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gib", [0.1, 0.6, 0.7, 0.9, 1.3, 2, 1000])
def test_the_largest_batch_is_the_largest_power_of_two_that_fits(memory, kind, gib) -> None:
    one = replace(RTX, memory_gib=gib)
    found = memory.largest(one, kind, "fp32")
    powers = [2**n for n in range(LARGEST.bit_length())]
    fitting = [batch for batch in powers if memory.fits(one, kind, "fp32", batch)]
    assert found == max(fitting, default=0)
    assert fitting == powers[: len(fitting)]


def test_nothing_fits_a_card_that_is_smaller_than_cuda_itself(memory) -> None:
    assert memory.largest(replace(RTX, memory_gib=CONTEXT_GIB), "inference", "bf16") == 0


def test_a_batch_between_two_powers_fits_by_its_own_memory(memory) -> None:
    gib = memory.reserved_gib("training", "bf16", 96)
    for size, fits in ((gib, True), (gib - 1e-3, False)):
        one = replace(RTX, memory_gib=size)
        assert memory.fits(one, "training", "bf16", 96) is fits
        assert memory.largest(one, "training", "bf16") == 64


def test_the_corpus_is_on_the_device_while_half_of_the_free_memory_is_left(speeds) -> None:
    graph = speeds.work.corpus.coded_bytes_per_graph
    half = 0.5 * (RTX.memory_gib - CONTEXT_GIB) * GIB
    for samples, tier in ((half / graph * 0.999, "device"), (half / graph * 1.001, "host")):
        found = Memory(speeds, int(samples))
        assert found.tier(RTX) == tier
        assert largest_batch(found, [RTX]).rows[0]["corpus_on"] == tier


def test_rows_of_parts_add_up_to_their_total(memory) -> None:
    found = memory_parts(memory, PRECISIONS, BATCH)
    assert [(r["kind"], r["precision"]) for r in found.rows] == [
        (kind, precision) for kind in KINDS for precision in PRECISIONS
    ]
    for row in found.rows:
        parts = [size for name, size in row.items() if name.endswith("_mib")]
        assert sum(parts[:-1]) + CONTEXT_GIB * GIB / MIB == pytest.approx(row["total_mib"])
        assert row["corpus_mib"] == memory.corpus_bytes / MIB
    training = found.rows[0]
    weights = 4 * 3_188_692 / MIB
    assert training["weights_mib"] == pytest.approx(weights, rel=0.02)


def test_memory_by_batch_says_which_batches_are_extrapolated(memory) -> None:
    graphs = memory.work.corpus.graphs
    assert len(memory_by_batch(memory, [8]).notes) == 1
    found = memory_by_batch(memory, [8, 128, 256])
    assert graphs < 128
    assert f"{graphs} graphs: batches of 128 and more" in found.notes[1]
    for kind in KINDS:
        rows = [row for row in found.rows if row["kind"] == kind]
        for precision in PRECISIONS:
            sizes = [row[f"{precision}_gib"] for row in rows]
            assert sizes == sorted(set(sizes))
        assert all(row["bf16_gib"] < row["fp32_gib"] == row["tf32_gib"] for row in rows)


def test_a_larger_card_never_holds_a_smaller_batch(memory) -> None:
    found = largest_batch(memory, [replace(RTX, memory_gib=gib) for gib in (0.5, 0.7, 1, 64)])
    for kind in KINDS:
        rows = [row for row in found.rows if row["kind"] == kind]
        for precision in PRECISIONS:
            sizes = [row[precision] for row in rows]
            assert sizes == sorted(sizes)
            assert sizes[0] < sizes[-1]


def test_what_saves_memory_is_compared_with_the_step_as_it_is(memory) -> None:
    found = {r["what"]: r for r in memory_savers(memory, RTX, "bf16", BATCH).rows}
    plain = found["as it is"]
    assert plain["step_time_factor"] == 1
    assert plain["gib"] == memory.used_gib("training", "bf16", BATCH)
    for name in ("--activation-checkpointing", "--accumulate 8"):
        assert found[name]["gib"] < plain["gib"]
        assert found[name]["step_time_factor"] > 1
    assert found["--dedup never"]["gib"] > plain["gib"]
    for row in found.values():
        assert row["step_time_factor"] == pytest.approx(row["step_ms"] / plain["step_ms"])


def test_a_batch_of_fewer_graphs_than_parts_is_not_accumulated(memory) -> None:
    names = [row["what"] for row in memory_savers(memory, RTX, "bf16", 4).rows]
    assert "--accumulate 8" not in names
    assert len(names) == 3


def test_the_memory_of_bounds_is_that_of_the_measured_card_without_its_slack(
    memory, workload
) -> None:
    other = Memory(Speeds(workload, 0.5), memory.samples)
    assert other.used_gib("training", "bf16", BATCH) == memory.used_gib("training", "bf16", BATCH)
    assert memories.RESERVE < 1
