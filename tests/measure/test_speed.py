"""Benchmarks of the network: equal formulations, counted operators, the command."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from click.testing import CliRunner

from pepland_cli.bench import main
from pepland_model.measure import report as bench_report
from pepland_model.measure import speed
from pepland_model.measure.roofline import Ceilings, Counter, measure_ceilings
from pepland_model.measure.speed import Settings, estimate, measure_training, shared_weights
from pepland_model.measure.variants import (
    VARIANTS,
    TrainingStep,
    encoder_of,
    inference,
    prepare,
    unmasked,
)
from pepland_model.network.config import PharmHGTConfig
from pepland_model.train.mask import MaskOptions, mask_batch
from tests.helpers.pretrain_data import golden_batch

CPU = torch.device("cpu")
SMALL = PharmHGTConfig(hidden=16, depth=3)


@pytest.mark.parametrize("output", ["homo", "fused"])
def test_all_formulations_have_the_same_outputs_and_losses(output) -> None:
    pytest.importorskip("pepland_data.batch.dgl_import").import_dgl()
    batch = golden_batch(list(range(6)))
    config = replace(SMALL, output=output)
    weights = shared_weights(config, CPU)
    masked = mask_batch(batch, MaskOptions(), 0, 0)
    labels = torch.arange(len(batch.tables.fragment_x)) % 8
    embeddings, losses = [], []
    for variant in VARIANTS:
        encoder = encoder_of(variant, config, weights)
        out = inference(encoder, "fp32", CPU)(unmasked(variant, batch))
        embeddings.append(out.atom_embedding)
        step = TrainingStep(variant, encoder, 8, "fp32", CPU)
        losses.append([float(step(prepare(variant, masked, labels))) for _ in range(2)])
    for embedding, loss in zip(embeddings, losses, strict=True):
        assert torch.allclose(embedding, embeddings[0], atol=1e-5)
        assert loss == pytest.approx(losses[0], rel=1e-4)


def test_products_and_bytes_are_counted_forward_and_backward() -> None:
    a, b = torch.randn(8, 4, requires_grad=True), torch.randn(4, 5)
    with Counter(Ceilings(1.0, 1.0)) as counted:
        out = a @ b
        assert counted.flops == 2 * 8 * 4 * 5
        assert counted.moved == 4 * (8 * 4 + 4 * 5 + 8 * 5)
        out.sum().backward()
    assert counted.flops == 2 * 2 * 8 * 4 * 5
    assert counted.products["products"] > 0


def test_a_gather_counts_the_rows_it_reads_and_not_the_table() -> None:
    table, rows = torch.randn(1000, 8), torch.arange(3)
    for gather in (lambda: table[rows], lambda: table.index_select(0, rows),
                   lambda: torch.nn.functional.embedding(rows, table)):  # fmt: skip
        with Counter(Ceilings(1.0, 1.0)) as counted:
            gather()
        assert counted.moved == 2 * 3 * 8 * 4 + 3 * 8


def test_each_technique_needs_fewer_flops_than_the_one_before() -> None:
    settings = Settings(CPU, "fp32", SMALL, 0, 1)
    batch = golden_batch(list(range(12)))
    named = {v.name: v for v in VARIANTS}
    counted = [
        measure_training(named[name], batch, settings, Ceilings(100, 20))["gflop_per_graph"]
        for name in ("every_row", "tables", "needed_rows", "states_once")
    ]
    assert counted == sorted(counted, reverse=True)
    assert counted[-1] < counted[0] / 2


def test_the_estimate_for_another_card_follows_from_its_ceilings() -> None:
    settings, batch = Settings(CPU, "bf16", SMALL), golden_batch(list(range(6)))
    states_once = next(v for v in VARIANTS if v.name == "states_once")
    slow, fast = (estimate(states_once, batch, settings, Ceilings(f, b))
                  for f, b in ((100, 20), (200, 40)))  # fmt: skip
    for name in ("inference", "training"):
        assert fast[f"{name}_per_s"] == pytest.approx(2 * slow[f"{name}_per_s"], rel=0.02)
        bound = 20e3 / slow[f"{name}_mb_per_graph"]
        assert 0 < slow[f"{name}_per_s"] < 1.01 * bound


def run(*arguments: str):
    return CliRunner().invoke(main, ["model", *arguments])


def test_the_command_prints_one_document(small_store, monkeypatch) -> None:
    monkeypatch.setattr(bench_report, "VARIANTS", VARIANTS[-2:])
    monkeypatch.setattr(bench_report, "PharmHGTConfig", partial(PharmHGTConfig, hidden=16, depth=3))
    monkeypatch.setattr(speed, "measure_ceilings", partial(measure_ceilings, seconds=0))
    sizes = ["--graphs", "8", "--batch-size", "4", "--seconds", "0", "--no-baseline"]
    precisions = ["--precision", "fp32", "--precision", "tf32"]
    result = run(str(small_store.path), *sizes, *precisions, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    first, second = document["measurements"]
    assert min(first["ceilings"].values()) > 0
    assert [row["variant"] for row in first["rows"]] == ["states_once", "kept_states"]
    for row in first["rows"]:
        for kind in {"inference", "training"} & row.keys():
            assert row[kind]["graphs_per_s"]["median"] > 0
            assert 0 < row[kind]["gflop_per_graph"] < 10
    assert "tf32" in second["left_out"]


@pytest.mark.slow
def test_the_command_measures_the_bundled_sample_and_prints_a_table() -> None:
    result = run("--graphs", "4", "--batch-size", "4", "--seconds", "0")
    assert result.exit_code == 0, result.output
    assert "roofline" in result.stdout
    assert "published" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nowhere"], "nowhere"), (["--device", "cuda:9"], "not available")],
)
def test_an_input_that_cannot_be_measured_gives_a_one_line_error(arguments, words) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output
