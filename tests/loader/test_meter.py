"""The waiting-time meter, the choice of a tier by memory, and the commands that show them."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from pepland_cli.bench import main as bench
from pepland_cli.data import main as data
from pepland_data import GraphLoader
from pepland_data.errors import InputError
from pepland_data.loader.measure import iterate, measure, step_of_length
from pepland_data.loader.meter import REMEDIES, LoadReport
from pepland_data.loader.tiers import choice as tier_choice
from pepland_data.loader.tiers.choice import (
    choose_tier,
    corpus_bytes,
    free_host_bytes,
    parse_size,
    readable,
)

NO_WAITING = LoadReport(100, 1000, 10**6, 10.0, 0.0, 1.0, 0.1, 0, 0.0, None)


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({}, "consumer"),
        ({"waited_s": 0.09}, "consumer"),
        ({"waited_s": 2.0}, "gather"),
        ({"waited_s": 2.0, "blocked_s": 0.9}, "gather"),
        ({"waited_s": 2.0, "blocked_s": 0.9, "pages_read": 40}, "disk"),
        ({"waited_s": 2.0, "copy_s": 3.0}, "copy"),
        ({"device_idle_s": 1.0}, "copy"),
        ({"waited_s": 2.0, "device_idle_s": 1.0}, "gather"),
    ],
)
def test_the_meter_names_the_limit_and_a_remedy(changes, limit) -> None:
    report = replace(NO_WAITING, **changes)
    assert report.limit == limit
    assert report.remedy == REMEDIES[limit]


def test_rates_and_shares_refer_to_the_measured_time() -> None:
    report = replace(NO_WAITING, waited_s=0.5, device_idle_s=0.2)
    assert report.graphs_per_s == 100.0
    assert report.bytes_per_s == 10**5
    assert report.waiting_share == 0.05
    assert report.device_idle_share == 0.02
    assert replace(NO_WAITING, seconds=0.0).waiting_share == 0.0


def test_a_loader_counts_batches_graphs_bytes_and_seconds(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=5, tier="mmap")
    nbytes = sum(batch.nbytes for batch in loader)
    report = loader.meter.report()
    assert (report.steps, report.graphs) == (len(loader), len(small_store))
    assert report.bytes == nbytes
    assert 0 < report.waited_s <= report.seconds
    loader.meter.reset()
    assert loader.meter.report().steps == 0


def test_a_consumer_slower_than_the_loader_hardly_waits(small_store) -> None:
    loader = GraphLoader(small_store, batch_size=5, tier="mmap")
    for number, _batch in enumerate(loader):
        if number == 0:
            loader.meter.reset()
        time.sleep(0.03)
    report = loader.meter.report()
    assert report.waiting_share < 0.5
    assert report.seconds > 0.03 * (len(loader) - 2)


def test_sizes_are_parsed_and_written_with_units() -> None:
    assert parse_size("24GiB") == 24 * 2**30
    assert parse_size("1.5 GB") == 1_500_000_000
    assert parse_size("1000") == 1000
    assert readable(24 * 2**30) == "24.0 GiB"
    for text in ("much", "", "-1GB", "1 parsec", "nan", "inf"):
        with pytest.raises(InputError, match="write it like 24GiB"):
            parse_size(text)


@pytest.mark.parametrize(
    ("device", "host", "tier"),
    [(3.0, 9.0, "device"), (1.5, 9.0, "host"), (None, 9.0, "host"), (1.5, 1.5, "mmap"),
     (None, 0.0, "mmap")],
)  # fmt: skip
def test_the_fastest_tier_that_fits_beside_the_reserve_is_chosen(
    small_store, device, host, tier
) -> None:
    need = corpus_bytes([small_store])
    free = None if device is None else int(device * need)
    choice = choose_tier([small_store], "auto", free, int(host * need))
    assert choice.tier == tier
    assert choice.reason.startswith(f"{tier}: ")
    assert "50% of it left to training" in choice.reason


def test_the_choice_counts_the_bytes_that_the_tiers_need(small_store) -> None:
    loader = GraphLoader(small_store, tier="host")
    assert loader._source.nbytes == loader.tier_choice.need_bytes
    columns = loader.tier_choice.need_bytes - 8 * (len(small_store) + 1)
    zeros = 16  # one of each run of columns
    assert columns < GraphLoader(small_store, tier="device")._source.nbytes <= columns + zeros


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch) -> None:
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    monkeypatch.setattr(tier_choice, "CGROUP", tmp_path)
    assert free_host_bytes() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_host_bytes() > 10**6


def call(group, *arguments):
    return CliRunner().invoke(group, [str(a) for a in arguments])


def test_tier_shows_which_tier_and_why(small_store) -> None:
    result = call(data, "tier", small_store.path, "--memory", "24GiB", "--json")
    answer = json.loads(result.stdout)
    assert answer["tier"] == "device"
    assert answer["fits"] == {"device": True, "host": True, "mmap": True}
    small = call(data, "plan", small_store.path, "--memory", "1KB", "--host-memory", "1KB")
    assert small.exit_code == 0
    assert small.output.startswith("mmap: ")
    assert "does not fit" in small.output


def test_tier_refuses_a_text_that_is_not_a_size(small_store) -> None:
    result = call(data, "tier", small_store.path, "--memory", "much")
    assert result.exit_code == 1
    assert "write it like 24GiB" in result.output


@pytest.mark.parametrize(("allowed", "code"), [("100%", 0), ("0", 1)])
def test_bench_loader_sets_its_exit_code_by_the_waiting(small_store, allowed, code) -> None:
    result = call(
        bench, "loader", small_store.path, "--seconds", "0.15", "--batch-size", "9",
        "--device", "cpu", "--tier", "mmap", "--max-wait", allowed, "--json",
    )  # fmt: skip
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["passed"]) == (code, code == 0)
    assert answer["with_step"]["limit"] in REMEDIES
    assert answer["alone"]["graphs_per_s"] > answer["with_step"]["graphs_per_s"] > 0


def test_bench_loader_prints_the_limit_and_the_remedy(small_store) -> None:
    result = call(bench, "loader", small_store.path, "--seconds", "0.1", "--device", "cpu")
    assert result.exit_code == 0
    assert "graphs per second" in result.output
    assert "limit" in result.output


def test_bench_refuses_invalid_shares_and_devices(small_store) -> None:
    assert call(bench, "loader", small_store.path, "--max-wait", "lots").exit_code == 2
    result = call(bench, "loader", small_store.path, "--device", "abacus")
    assert result.exit_code == 1
    assert "unknown device" in result.output


def test_an_empty_store_cannot_be_measured(small_store, monkeypatch) -> None:
    monkeypatch.setattr(GraphLoader, "num_graphs", 0)
    with pytest.raises(InputError, match="nothing to measure"):
        measure([small_store], 4, "mmap", "cpu", 0.0, 0.1)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_mapped_batches_are_ready_before_a_step_of_five_milliseconds_ends(small_store) -> None:
    rows = np.arange(512 * 40) % len(small_store)
    loader = GraphLoader(small_store, 512, subset=rows, tier="mmap", device="cuda")
    report = iterate(loader, 3.0, step_of_length(loader.device, 0.005))
    # Nothing here holds the host back: it starts steps long before the card runs them, and waits
    # for batches that the card does not need yet. Whether the card ran dry is what counts.
    assert report.device_idle_share is not None
    assert report.device_idle_share < 0.01
