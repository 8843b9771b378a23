"""Times of steps on cards: the card, the host, the loader or the link, whichever is slowest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pepland_model.estimate.calibration import bound_times, step_times
from pepland_model.estimate.cards import card, cards
from pepland_model.estimate.speed import EAGER_US, Speeds, step_time, step_work
from pepland_model.estimate.work import KINDS, PRECISIONS, STAGES
from pepland_model.measure.operator_counts import Counts

BATCH = 64
H100, RTX = card("h100-sxm"), card("rtx-4090")


def test_a_step_takes_the_calibrated_time_where_nothing_else_is_slower(
    speeds, workload, calibration
) -> None:
    for kind in KINDS:
        work = workload.work(kind, "bf16", BATCH)
        wanted = step_times(work, RTX, "bf16", calibration.shares[kind], calibration.card)
        found = speeds.of(kind, RTX, "bf16", BATCH)
        assert (found.times, found.step_s, found.limit) == (wanted, wanted.step_s, wanted.limit)
        assert found.per_s == BATCH / wanted.step_s
        assert found.cautious_s == found.step_s
        assert found.low is None


def test_a_slow_loader_and_a_slow_link_are_named(workload, calibration) -> None:
    slow = Speeds(workload, calibration, loader_graphs_per_s=10)
    found = slow.of("training", RTX, "bf16", BATCH)
    assert (found.limit, found.step_s, found.per_s) == ("loader", BATCH / 10, 10)
    thin = replace(RTX, pcie_gb_per_s=1e-6)
    found = Speeds(workload, calibration).of("inference", thin, "bf16", BATCH)
    assert found.limit == "link"
    assert found.step_s == pytest.approx(workload.corpus.sizes(BATCH).bytes / 1e3)


@pytest.mark.parametrize(
    ("kind", "precision", "dedup", "parts", "eager"),
    [
        ("training", "bf16", "auto", 1, False),
        ("training", "fp16", "auto", 1, False),
        ("inference", "fp16", "auto", 1, False),
        ("training", "bf16", "never", 1, True),
        ("inference", "bf16", "never", 1, True),
        ("training", "bf16", "auto", 8, False),
    ],
)
def test_the_host_starts_each_operator_of_a_step_that_is_not_recorded(
    workload, calibration, kind, precision, dedup, parts, eager
) -> None:
    speeds = Speeds(workload.changed(dedup=dedup), calibration)
    found = speeds.of(kind, H100, precision, BATCH, parts)
    if not eager:
        assert found.limit != "host"
        return
    part = speeds.work.work(kind, precision, BATCH // parts).repeated(parts)
    assert found.limit == "host"
    assert found.step_s == pytest.approx(part.operators * EAGER_US * 1e-6)


def test_accumulation_repeats_the_passes_and_not_the_update(speeds) -> None:
    whole, parts = (speeds.of("training", RTX, "bf16", BATCH, n).times.stages for n in (1, 8))
    eighth = speeds.of("training", RTX, "bf16", BATCH // 8).times.stages
    assert parts["update"] == eighth["update"] == whole["update"]
    for name in ("forward", "backward"):
        assert parts[name] == pytest.approx(8 * eighth[name])
        assert parts[name] > whole[name]


def test_where_nothing_was_measured_a_step_has_a_bound_and_a_low_end(bounds, workload) -> None:
    work = workload.work("training", "bf16", BATCH)
    found = bounds.of("training", H100, "bf16", BATCH)
    assert found.step_s == bound_times(work, H100, "bf16").step_s
    assert found.low == pytest.approx(0.5 * found.per_s)
    assert found.cautious_s == pytest.approx(2 * found.step_s)
    waits = Speeds(workload, 0.5, loader_graphs_per_s=10).of("training", H100, "bf16", BATCH)
    assert waits.low == waits.per_s == 10


def test_a_low_end_is_never_above_the_bound(bounds) -> None:
    for one in cards().values():
        for precision in PRECISIONS:
            found = bounds.of("training", one, precision, BATCH)
            assert 0 < found.low <= found.per_s
            assert found.cautious_s >= found.step_s


def test_the_basis_of_a_speed_is_said(speeds, bounds) -> None:
    assert speeds.basis(H100).startswith("measured on NVIDIA H100")
    assert speeds.basis(RTX) == "from the H100 80 GB SXM by bandwidth and launches"
    assert bounds.basis(RTX) == "not measured"


def test_rows_of_times_are_in_order_and_their_stages_fit_into_the_step(speeds) -> None:
    found = step_time(speeds, [H100, RTX], ["bf16", "fp32"], [8, BATCH])
    assert [(r["precision"], r["card"], r["batch"]) for r in found.rows] == [
        (p, c.title, b) for p in ("bf16", "fp32") for c in (H100, RTX) for b in (8, BATCH)
    ]
    for row in found.rows:
        assert 0 < row["forward_ms"] + row["backward_ms"] < row["step_ms"]
        assert row["peptides_per_s"] == pytest.approx(1e3 * row["batch"] / row["step_ms"])


def test_rows_of_bounds_have_two_ends_and_a_note(bounds) -> None:
    found = step_time(bounds, [RTX], ["bf16"], [BATCH], "step_precision")
    (row,) = found.rows
    assert 2 * row["peptides_per_s_low"] == pytest.approx(row["peptides_per_s_high"])
    assert "50%" in found.notes[-1]
    assert found.title == "Training step by precision"


def test_the_work_of_a_step_is_shown_by_stage_in_total_and_for_a_peptide(workload) -> None:
    found = step_work(workload, ["fp32", "bf16"], BATCH)
    assert [row["stage"] for row in found.rows] == 2 * list(STAGES)
    total = sum(workload.work("training", "fp32", BATCH).stages.values(), Counts())
    rows = found.rows[: len(STAGES)]
    assert sum(row["operators"] for row in rows) == total.operators
    assert sum(row["gb"] for row in rows) == pytest.approx(total.bytes / 1e9)
    assert sum(row["peptide_gflop"] for row in rows) == pytest.approx(total.flops / 1e9 / BATCH)
    assert rows[0]["peptide_mb"] == pytest.approx(1e3 * rows[0]["gb"] / BATCH)
