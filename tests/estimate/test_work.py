"""What a step asks of a card: stages and memory add up to what was counted."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from pepland_model.estimate import work as works
from pepland_model.estimate.work import PRECISIONS, STAGES, Work
from pepland_model.measure.dry_steps import PARTS, SETUP, dry_inferences, dry_steps
from pepland_model.measure.operator_counts import Counts
from pepland_model.run.config import ModelConfig, OptimConfig

BATCH = 8


@pytest.fixture(scope="module")
def run(corpus):
    (found,) = dry_steps(
        corpus.tables, [corpus.sizes(BATCH).training], ModelConfig(), OptimConfig(precision="bf16")
    )
    return found


def test_every_part_of_a_step_is_in_one_stage_and_one_place() -> None:
    assert sorted(part for parts in STAGES.values() for part in parts) == sorted(PARTS)
    assert set(works.PLACES) == {*PARTS, *SETUP}


def test_stages_and_memory_are_those_of_the_dry_run(workload, run) -> None:
    found = workload.work("training", "bf16", BATCH)
    assert sum(found.stages.values(), Counts()) == sum(run.parts.values(), Counts())
    assert found.operators == sum(counts.operators for counts in run.parts.values())
    assert found.peak_bytes == run.peak_bytes
    assert found.memory["optimizer"] > 2 * sum(run.trained.values())
    assert found.stages["backward"] == run.parts["backward"]


def test_gradients_are_taken_out_of_the_working_memory(run) -> None:
    for working in (10, 10**9):
        changed = type(run)(run.parts, run.peak | {"backward": working}, run.trained)
        memory, trained = Work.of(changed).memory, sum(run.trained.values())
        assert memory["gradients"] == min(working, trained)
        assert memory["gradients"] + memory["working"] == working


def test_vectors_need_no_gradients_no_optimizer_and_keep_nothing(workload, corpus) -> None:
    found = workload.work("inference", "bf16", BATCH)
    sizes = corpus.sizes(BATCH).inference
    (run,) = dry_inferences(corpus.tables, [sizes], ModelConfig(), "bf16")
    assert found.peak_bytes == run.peak_bytes
    assert found.memory["kept"] == found.memory["optimizer"] == found.memory["gradients"] == 0
    assert found.memory["working"] > 0
    assert not any(vars(found.stages[name])[f] for name in ("backward", "update") for f in FIELDS)


FIELDS = ("operators", "bytes", "flops")


def test_parts_of_a_batch_repeat_the_passes_and_not_the_update(workload) -> None:
    one = workload.work("training", "bf16", BATCH)
    eight = one.repeated(8)
    assert eight.stages["update"] == one.stages["update"]
    for name in ("forward", "backward"):
        for field in FIELDS:
            value = getattr(one.stages[name], field)
            assert getattr(eight.stages[name], field) == 8 * value
    assert eight.memory == one.memory
    assert one.repeated(1) == one


def test_precisions_of_the_same_bits_share_their_work(workload) -> None:
    fp32, tf32, bf16, fp16 = (workload.work("training", p, BATCH) for p in PRECISIONS)
    assert fp32 is tf32
    assert bf16 is fp16
    assert sum(c.bytes for c in bf16.stages.values()) < sum(c.bytes for c in fp32.stages.values())


def test_what_was_counted_is_not_counted_again(workload) -> None:
    before = workload.works("training", "fp32", [BATCH])
    with patch.object(works, "counted", side_effect=AssertionError):
        assert workload.works("training", "tf32", [BATCH, BATCH]) == [*before, *before]


def test_changed_options_are_counted_anew_and_the_others_stay(workload) -> None:
    plain = workload.work("training", "bf16", BATCH)
    changed = workload.changed(activation_checkpointing=True)
    again = changed.work("training", "bf16", BATCH)
    assert again.memory["kept"] < plain.memory["kept"]
    assert again.stages["backward"].flops > plain.stages["backward"].flops
    every = workload.changed(dedup="never")
    assert (every.model.dedup, changed.model.dedup, workload.model.dedup) == (
        "never", "auto", "auto",
    )  # fmt: skip
    flops = every.work("training", "bf16", BATCH).stages["forward"].flops
    assert flops > plain.stages["forward"].flops
