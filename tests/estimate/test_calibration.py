"""Shares of the limits of a card: the fit, the file that ships, and times on other cards."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.estimate.calibration import SOURCE, short, with_shares
from pepland_data.errors import InputError
from pepland_model.estimate import calibration as calibrations
from pepland_model.estimate.calibration import (
    EXPECTED,
    FITTED,
    LARGE_PRODUCTS,
    SHIPPED,
    Calibration,
    Shares,
    bound_times,
    fit,
    fit_all,
    milliseconds,
    named,
    reserved_share,
    step_times,
    works_of,
)
from pepland_model.estimate.cards import card, cards
from pepland_model.estimate.work import KINDS, PRECISIONS, Work
from pepland_model.measure.operator_counts import Counts

H100 = card("h100-sxm")
FEW = Shares(4.0, 0.4, {"fp32": 0.5, "tf32": 0.2, "bf16": 0.1})


def work(operators: int = 0, moved: int = 0, flops: int = 0, peak: int = 0) -> Work:
    """Return made-up work, a third of it in each stage."""
    third = Counts(operators // 3, bytes=moved // 3, flops=flops // 3)
    return Work(dict.fromkeys(("forward", "backward", "update"), third), {"kept": peak})


@settings(deadline=None, max_examples=20)
@given(
    launch=st.floats(1, 10), bandwidth=st.floats(0.2, 1), scale=st.integers(1, 100),
    products=st.tuples(st.floats(0.2, 0.9), st.floats(0.06, 0.5), st.floats(0.03, 0.3)),
)  # fmt: skip
def test_the_fit_finds_the_shares_that_made_the_times(launch, bandwidth, scale, products) -> None:
    """Each step is spent on one thing."""
    wanted = Shares(launch, bandwidth, dict(zip(("fp32", "tf32", "bf16"), products, strict=True)))
    works = [work(3_000 * scale), work(30, 3 * 10**9 * scale), *[work(30, 3, 3 * 10**12)] * 3]
    precisions = ["fp32", "fp32", "fp32", "tf32", "bf16"]
    rows = [
        {"precision": p, "ms": 1e3 * step_times(w, H100, p, wanted, H100).step_s}
        for w, p in zip(works, precisions, strict=True)
    ]
    found = fit(works * 10, rows * 10, H100)
    assert found.launch_us == pytest.approx(launch, rel=0.02)
    assert found.bandwidth == pytest.approx(bandwidth, rel=0.02)
    assert found.products == pytest.approx(wanted.products, rel=0.02)


def test_what_the_times_do_not_decide_stays_as_expected() -> None:
    ms = 1e3 * step_times(work(30_000), H100, "fp32", FEW, H100).step_s
    found = fit([work(30_000)], [{"precision": "fp32", "ms": ms}], H100)
    assert found.launch_us == pytest.approx(FEW.launch_us, rel=0.05)
    assert found.bandwidth == EXPECTED["bandwidth"]
    assert found.products == {name: EXPECTED[name] for name in ("fp32", "tf32", "bf16")}


def test_milliseconds_are_the_terms_of_a_step() -> None:
    found = milliseconds(work(3000, 3 * 10**9, 3 * 10**12), H100, "tf32")
    assert found == pytest.approx([3, 3e3 / 3350, 0, 3e3 / H100.tflops["tf32"], 0], rel=0.01)


def test_the_reserved_share_is_the_slope_over_training_steps() -> None:
    works = [work(peak=n * 2**30) for n in (1, 2, 5, 3)]
    rows = [{"kind": "training", "reserved_gib": 1.5 + 2.5 * n} for n in (1, 2, 5)]
    assert reserved_share(works, [*rows, {"kind": "inference", "reserved_gib": 99}]) == 2.5
    assert reserved_share(works[:1], rows[:1]) == 1


@pytest.fixture(scope="module")
def measured_works(calibration, corpus):
    """The work of the steps that were measured."""
    return works_of(calibration.rows, corpus)


def test_the_shares_of_the_file_are_those_of_its_own_steps(
    calibration, corpus, measured_works
) -> None:
    """But for the fragment head, which has as many classes as a corpus has fragments."""
    with patch.object(calibrations, "works_of", lambda rows, corpus: measured_works):
        shares, reserved = fit_all(calibration.rows, calibration.card, corpus)
    assert reserved == pytest.approx(calibration.reserved, rel=0.05)
    for kind in KINDS:
        found, wanted = shares[kind], calibration.shares[kind]
        assert found.launch_us == pytest.approx(wanted.launch_us, rel=0.02)
        assert found.bandwidth == pytest.approx(wanted.bandwidth, rel=0.02)
        assert found.products == pytest.approx(wanted.products, rel=0.02)


@pytest.mark.slow
def test_the_file_is_the_one_that_is_written_from_the_measurement() -> None:
    pytest.importorskip("rdkit")
    source = json.loads(SOURCE.read_text(encoding="utf-8"))
    assert with_shares(short(source)) == json.loads(SHIPPED.read_text(encoding="utf-8"))


def test_the_file_is_the_measurement_in_short(calibration) -> None:
    written = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert written["results"].pop("shares") == calibration.document()
    assert written == short(json.loads(SOURCE.read_text(encoding="utf-8")))
    assert calibration.card == H100


def test_steps_of_other_sizes_are_predicted(calibration, measured_works) -> None:
    """The shares are fitted to one batch size; the others were not seen."""
    errors = []
    for one, row in zip(measured_works, calibration.rows, strict=True):
        shares = calibration.shares[row["kind"]]
        ms = 1e3 * step_times(one, H100, row["precision"], shares, H100).step_s
        errors.append((row["batch"], ms / row["ms"] - 1))
    assert max(abs(error) for batch, error in errors if batch == FITTED) < 0.05
    assert max(abs(error) for batch, error in errors if batch != FITTED) < 0.3


def document(**changes) -> dict:
    """Return the shipped file without its shares, changed."""
    found = json.loads(SHIPPED.read_text(encoding="utf-8"))
    del found["results"]["shares"]
    return found | {"results": found["results"] | changes}


def read(tmp_path, content, corpus) -> Calibration:
    path = tmp_path / "result.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return Calibration.read(path, cards(), corpus)


def test_a_result_without_shares_is_fitted(tmp_path, corpus, calibration, measured_works) -> None:
    with patch.object(calibrations, "works_of", lambda rows, corpus: measured_works):
        found = read(tmp_path, document(), corpus)
        shares, reserved = fit_all(calibration.rows, calibration.card, corpus)
    assert found == replace(calibration, shares=shares, reserved=reserved)


STEP = {"kind": "training", "precision": "bf16", "batch": 512, "ms": 1.0, "sizes": {}}
NO_RESULTS = {
    "no JSON": "{",
    "too deep": "[" * 100_000,
    "a list": [1, 2],
    "no results": {"date": "2026-11-27"},
    "no date": {k: v for k, v in document().items() if k != "date"},
    "no power": document(card={"name": "NVIDIA H100", "power.limit": "[N/A]"}),
    "steps that failed": document(steps={"error": "out of memory"}),
    "steps of numbers": document(steps={"found": [1]}),
    "a step of no time": document(steps={"found": [STEP | {"ms": 0}]}),
    "a step of no kind": document(steps={"found": [STEP | {"kind": "loading"}]}),
    "a step of no precision": document(steps={"found": [STEP | {"precision": "int8"}]}),
    "shares without a kind": document(shares={"training": {}, "reserved": 1}),
    "shares of no names": document(shares={k: {"speed": 1} for k in (*KINDS, "reserved")}),
}


@pytest.mark.parametrize("name", NO_RESULTS)
def test_files_that_are_no_result_are_refused(tmp_path, corpus, name) -> None:
    with pytest.raises(InputError, match=r"result\.json is not a result of `python -m benchmarks"):
        read(tmp_path, NO_RESULTS[name], corpus)


def test_a_missing_file_is_refused(tmp_path, corpus) -> None:
    with pytest.raises(InputError, match="is not a result"):
        Calibration.read(tmp_path / "none.json", cards(), corpus)


def test_a_result_of_an_unknown_card_or_without_the_fitted_size_is_refused(
    tmp_path, corpus
) -> None:
    unknown = document(card={"name": "AMD Instinct MI300X", "power.limit": "750"})
    with pytest.raises(InputError, match="'AMD Instinct MI300X', which is not a known card; add"):
        read(tmp_path, unknown, corpus)
    rows = document()["results"]["steps"]["found"]
    kept = [r for r in rows if not (r["kind"] == "inference" and r["batch"] == FITTED)]
    with pytest.raises(InputError, match=r"no inference steps of 2,048 graphs; measure them"):
        read(tmp_path, document(steps={"found": kept}), corpus)


DRIVERS = {
    ("NVIDIA H100 80GB HBM3", 700): "h100-sxm",
    ("NVIDIA H100 PCIe", 350): "h100-pcie",
    ("NVIDIA GeForce RTX 4090", 450): "rtx-4090",
    ("NVIDIA A100-SXM4-80GB", 400): "a100-80",
    ("NVIDIA A100 80GB PCIe", 300): "a100-80",
    ("NVIDIA A100-SXM4-40GB", 400): "a100-40",
    ("NVIDIA H200", 700): "h200",
    ("NVIDIA L40S", 350): "l40s",
}


@pytest.mark.parametrize(("driver", "watts"), DRIVERS)
def test_cards_are_found_by_the_name_of_the_driver(driver, watts) -> None:
    assert named(driver, watts, cards()).name == DRIVERS[driver, watts]


def test_a_card_of_ones_own_is_found(tmp_path) -> None:
    own = replace(H100, name="mi300x", title="MI300X")
    assert named("AMD Instinct MI300X", 750, cards() | {"mi300x": own}) == own


LIMITS = {
    "launches": work(3 * 10**5, 3, 3),
    "bandwidth": work(3, 3 * 10**11, 3),
    "matrix products": work(3, 3, 3 * 10**15),
}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_limit_is_what_takes_most_of_the_time(limit, precision) -> None:
    times = step_times(LIMITS[limit], card("rtx-4090"), precision, FEW, H100)
    assert times.limit == limit
    assert sum(times.stages.values()) == pytest.approx(sum(times.causes.values()))
    assert times.step_s == pytest.approx(times.causes[limit], rel=1e-3)
    if limit != "launches":
        bound = bound_times(LIMITS[limit], card("rtx-4090"), precision)
        assert bound.limit == limit
        assert bound.step_s <= times.step_s


def works(workload) -> list[Work]:
    kinds = [workload.work(kind, "bf16", 8) for kind in KINDS]
    return [*LIMITS.values(), *kinds]


@pytest.mark.parametrize("name", cards())
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_step_is_faster_than_its_bound(workload, calibration, name, precision) -> None:
    for one in works(workload):
        for kind in KINDS:
            shares = calibration.shares[kind]
            times = step_times(one, card(name), precision, shares, calibration.card)
            assert 0 < bound_times(one, card(name), precision).step_s <= times.step_s


@settings(deadline=None, max_examples=100)
@given(
    share=st.floats(0.02, 1), bandwidth=st.floats(0.1, 1), faster=st.floats(1, 4),
    wider=st.floats(1, 4), name=st.sampled_from(list(cards())),
    precision=st.sampled_from(PRECISIONS),
)  # fmt: skip
def test_a_faster_card_is_never_slower(share, bandwidth, faster, wider, name, precision) -> None:
    measured = card(name)
    shares = Shares(4.0, bandwidth, dict.fromkeys(("fp32", "tf32", "bf16"), share))
    for base in (measured, card("rtx-3090"), card("l40s")):
        better = replace(
            base, bandwidth_gb_per_s=wider * base.bandwidth_gb_per_s,
            tflops={p: faster * speed for p, speed in base.tflops.items()},
        )  # fmt: skip
        for one in LIMITS.values():
            slow, fast = (
                step_times(one, c, precision, shares, measured).step_s for c in (base, better)
            )
            assert fast <= slow * (1 + 1e-12)


def test_rates_of_products_are_those_of_the_measured_card_up_to_a_share_of_the_peak() -> None:
    weak = replace(H100, tflops=dict.fromkeys(PRECISIONS, 1.0))
    bandwidth, rates = FEW.on(weak, H100)
    assert bandwidth == 0.4 * 3350e9
    assert rates == dict.fromkeys(PRECISIONS, LARGE_PRODUCTS * 1e12)
    _, own = FEW.on(H100, H100)
    assert own["fp32"] == pytest.approx(0.5 * H100.tflops["fp32"] * 1e12)
    assert own["fp16"] == pytest.approx(FEW.products["bf16"] * H100.tflops["fp16"] * 1e12)
