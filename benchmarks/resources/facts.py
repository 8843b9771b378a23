"""Figures of the sentences and of the table of questions, by name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from benchmarks.resources.documents import Estimated, Row, data, result
from pepland_model.estimate.calibration import FITTED, LARGE_PRODUCTS
from pepland_model.estimate.cards import cards
from pepland_model.estimate.memory import CONTEXT_GIB, LARGEST, RESERVED
from pepland_model.estimate.money import HOST_POWER_W
from pepland_model.estimate.show.tables import cell
from pepland_model.estimate.speed import EAGER_US, LOADER_GRAPHS_PER_S

MAIN, H100 = cards()["rtx-4090"].title, cards()["h100-sxm"].title
BATCH, LARGE, PRECISION = 512, 8192, "bf16"
TRAINING = {"kind": "training", "batch": BATCH}
INFERENCE = {"kind": "inference", "batch": LARGE}
STEP = {"card": MAIN, "precision": PRECISION, "batch": BATCH}
STAGES = ("search_ms", "forward_ms", "backward_ms", "step_ms")
Fact = tuple[str, Any]


def facts(one: Estimated) -> dict[str, str]:
    """Return the figures of a corpus as texts."""
    makers = (of_network, of_memory, of_steps, of_hours, of_inference, of_money, of_settings)
    others = (of_published(), of_this_cpu(), of_the_method())
    parts = chain(*(maker(one) for maker in makers), *others)
    return {name: cell(value) for name, value in parts}


def of_network(one: Estimated) -> Iterable[Fact]:
    """Yield the card, parameters and the work of a forward pass."""
    card = one.rows("cards", card=MAIN)[0]
    columns = ("memory_gib", "bandwidth_gb_per_s", "bf16_tflops")
    yield from ((column, card[column]) for column in columns)
    whole, trained = "all of the published module", "all that is trained"
    yield "parameters_million", one.value("parameters", "parameters", part=whole) / 1e6
    yield "trained_million", one.value("parameters", "trained", part=trained) / 1e6
    for states in ("once", "every_row"):
        work = one.rows("step_work", states, stage="forward", batch=BATCH)[0]
        yield f"forward_gflop_{states}", work["peptide_gflop"]


def of_memory(one: Estimated) -> Iterable[Fact]:
    """Yield memory of training, in use, by batch, and the largest batches."""
    parts = one.rows("memory_parts", precision=PRECISION, **TRAINING)[0]
    yield "weights_mib", parts["weights_mib"] + parts["optimizer_mib"]
    yield from ((name, parts[name]) for name in ("kept_mib", "total_mib"))
    for states in ("once", "every_row"):
        for batch in (BATCH, LARGE):
            row = one.rows("memory_by_batch", states, kind="training", batch=batch)[0]
            yield f"memory_{batch}_{states}", row[f"{PRECISION}_gib"]
            yield f"memory_{batch}_{states}_fp32", row["fp32_gib"]
        row = one.rows("largest_batch", states, card=MAIN, kind="training")[0]
        yield f"largest_{states}", row[PRECISION]
    saved = one.rows("memory_savers", what="--activation-checkpointing")[0]
    yield "checkpointing_gib", saved["gib"]
    yield "checkpointing_time", f"{saved['step_time_factor'] - 1:.0%}"


def of_steps(one: Estimated) -> Iterable[Fact]:
    """Yield times of steps."""
    step = one.rows("step_time", **STEP)[0]
    yield from ((name, step[name]) for name in STAGES)
    yield "per_s", step["peptides_per_s"]
    for precision in ("fp32", "fp16"):
        row = one.rows("step_precision", precision=precision)[0]
        yield f"per_s_{precision}", row["peptides_per_s"]
    yield "per_s_every_row", one.value("step_time", "peptides_per_s", "every_row", **STEP)
    for name in data("published")["relative"]:
        yield f"relative_{name}", relative(one, cards()[name].title, BATCH)
    yield "small_test_s", 100 * step["step_ms"] / 1e3


def relative(one: Estimated, title: str, batch: int) -> float:
    """Return the speed of a card as a multiple of that of `MAIN`."""
    same = {"precision": PRECISION, "batch": batch}
    ours, other = (one.value("step_time", "step_ms", card=c, **same) for c in (MAIN, title))
    return float(ours / other)


def of_hours(one: Estimated) -> Iterable[Fact]:
    """Yield hours of the stages, on one card and on several."""
    stages = one.rows("hours", card=MAIN)
    first = stages[0]
    yield "graphs", one.about["graphs"]
    yield "stage1_hours", first["hours"]
    yield from ((f"stage{n}_minutes", 60 * row["hours"]) for n, row in enumerate(stages, 1))
    trained = first["samples"] * first["epochs"]
    every_s = one.value("step_time", "peptides_per_s", "every_row", **STEP)
    yield "stage1_hours_every_row", trained / every_s / 3600
    yield "stage1_minutes_h100", 60 * one.value("hours", "hours", card=H100, stage="stage 1")
    yield "evaluations", first["evaluations"]
    yield "evaluation_minutes", 60 * first["evaluation_h"]
    yield "minutes", 60 * sum(row["hours"] for row in stages)
    yield "minutes_8192", 60 * one.value("hours_by_batch", "hours_8192", card=MAIN)
    for row in one.rows("scaling", card=MAIN, batch_per_card=BATCH):
        yield f"speedup_{row['gpus']}", row["speedup"]
        yield f"minutes_{row['gpus']}_cards", 60 * row["hours"]


def of_inference(one: Estimated) -> Iterable[Fact]:
    """Yield speed and memory of computing vectors."""
    row = one.rows("inference_million", card=MAIN)[0]
    yield "vectors_per_s", row["peptides_per_s"]
    yield "vectors_s", row["seconds"]
    yield "vectors_gib", one.value("memory_by_batch", f"{PRECISION}_gib", **INFERENCE)
    yield "vectors_largest", one.value("largest_batch", PRECISION, card=MAIN, kind="inference")


def of_money(one: Estimated) -> Iterable[Fact]:
    """Yield energy and money of a training."""
    yield "energy_kwh", one.value("electricity", "energy_kwh", card=MAIN)
    yield "electricity", one.value("electricity", "money", card=MAIN)
    yield "rent", one.value("cloud", "money", card=MAIN)
    yield "runs_to_pay_off", one.value("buying", "runs_to_pay_off", card=MAIN)
    yield "hours_to_pay_off", one.value("buying", "hours_to_pay_off", card=MAIN)
    for column in ("samples_per_rent", "samples_per_electricity"):
        yield f"best_{column}", best(one.rows("price_performance"), column)


def best(rows: Iterable[Row], column: str) -> str:
    """Return the card with the largest value."""
    return str(max(rows, key=lambda row: row[column] or 0.0)["card"])


def of_settings(one: Estimated) -> Iterable[Fact]:
    """Yield the hours of the three settings, the store, and conversion in the training step."""
    for name, row in zip(("person", "lab", "cluster"), one.rows("configurations"), strict=True):
        yield f"{name}_minutes", 60 * row["hours"]
        yield f"{name}_cards", f"{row['gpus']} × {row['card']}"
    yield "store_gb", one.value("preprocessing", "store_gb", peptides=1_000_000)
    live = one.rows("live_conversion", card=MAIN)[0]
    yield "published_share", live["published_share"]


def of_published() -> Iterable[Fact]:
    """Yield what follows from the published figures, and from the ceilings of the H100."""
    said, reached, peak = data("published"), data("ceilings"), cards()["h100-sxm"]
    yield "own_runs", round(said["price"] / (said["rent_of_run"] - said["electricity_of_run"]))
    test = said["small_test"]
    steps = -(-test["training"] * test["epochs"] // test["batch"])
    yield "own_steps", steps
    yield "own_small_test_s", steps * test["batch"] / said["fp16_peptides_per_s"]
    for name in ("large", "network"):
        for precision in ("fp32", "tf32", "bf16"):
            share = reached[name][precision] / peak.tflops[precision]
            yield f"share_{name}_{precision}", f"{share:.1%}"


def of_this_cpu() -> Iterable[Fact]:
    """Yield latencies and conversion on a CPU, from the benchmarks of both."""
    single = result("embed")["single"]
    yield "cold_ms", single["model loaded and first peptide"]["median_ms"]
    yield "new_ms", single["new text, few states known"]["median_ms"]
    yield "kept_ms", single["vector kept"]["median_ms"]
    smiles = next(run for run in result("scale")["runs"] if run["form"] == "smiles")
    yield "build_s", smiles["build_s"]


def of_the_method() -> Iterable[Fact]:
    """Yield what is measured and assumed, of `pepland_model.estimate`."""
    yield "fitted", FITTED
    yield "most_of_peak", LARGE_PRODUCTS
    yield "context_gib", CONTEXT_GIB
    yield "reserved", RESERVED
    yield "largest_tried", LARGEST
    yield "host_w", HOST_POWER_W
    yield "eager_us", EAGER_US
    yield "loader_per_s", LOADER_GRAPHS_PER_S
    yield "h100_gb_per_s", cards()["h100-sxm"].bandwidth_gb_per_s
