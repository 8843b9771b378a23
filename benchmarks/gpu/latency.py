"""How long one peptide takes: from its arrays on the CPU to its vector on the host."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.bench import CPU, Bench
from benchmarks.gpu.budget import Budget
from pepland_data import open_store
from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.columns import GraphColumns
from pepland_model.network.pooling import Pooling, run_views, vectors

ROOT = Path(__file__).resolve().parents[2]
CALLS = 200
Embed = Callable[[HeteroBatch], Tensor]


def latency(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return milliseconds of the first call and of later ones, recorded and not, and of a CPU."""
    found: dict[str, Any] = {}
    for precision in bench.precisions("fp32", "bf16"):
        found[f"recorded, {precision}"] = budget.row(lambda p=precision: recorded(bench, p))
    found["new process"] = budget.row(lambda: new_process(bench, budget))
    found["operator by operator, fp32"] = budget.row(lambda: plain(bench, bench.device))
    found["cpu, fp32"] = budget.row(lambda: plain(bench, CPU))
    return found


def recorded(bench: Bench, precision: str) -> dict[str, Any]:
    """Return the times of the recorded inference."""
    with bench.at(precision):
        made, rows = bench.vectors(), set()

        def embed(batch: HeteroBatch) -> Tensor:
            found = made.vectors(batch)[0]
            assert made.program.arrays is not None
            rows.add(made.program.arrays.shape.rows["atom"])
            return found

        found = called(bench, embed, bench.device)
        return {**found, "overflows": made.program.overflows, "sizes_of_arrays": sorted(rows),
                "recorded": made.program.recorded, "said": bench.told()}  # fmt: skip


def new_process(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return the time from the start of Python to the first vector, in a process of its own."""
    given = (str(bench.store.path), str(bench.device), bench.quick, time.time())
    code = f"from benchmarks.gpu.latency import from_the_start as f; f{given!r}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        timeout=max(budget.left, 30), cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def from_the_start(store: str, device: str, quick: bool, started: float) -> None:
    """Print the seconds since a time, after imports and after the first vectors."""
    bench, imported = Bench(torch.device(device), open_store(store), quick), time.time()
    with bench.at("fp32"):
        made, batch = bench.vectors(), bench.batches(1, 1, CPU)[0]
        seconds = {"imports_s": imported - started, "network_s": time.time() - started}
        for name in ("first_vector_s", "second_vector_s"):
            made.vectors(batch.to(bench.device))[0].cpu()
            seconds[name] = time.time() - started
    print(json.dumps({name: round(value, 3) for name, value in seconds.items()}))


def plain(bench: Bench, device: Any) -> dict[str, Any]:
    """Return the times of the network without a recorded program."""
    with bench.at("fp32"):
        model, pooling = bench.network(device).encoder.eval(), Pooling()
        return called(
            bench,
            lambda batch: vectors(batch, run_views(model, batch, *pooling.views), pooling)[0],
            device,
        )


def called(bench: Bench, embed: Embed, device: Any) -> dict[str, Any]:
    """Return the times of many calls with one peptide, and with another in every call."""
    rows = np.random.default_rng(0).permutation(len(bench.store))[: bench.count(CALLS, 5)]
    columns = bench.store.gather(rows)
    tables = BatchTables.from_tables(bench.store.tables, device)

    def ms(i: int) -> float:
        graph: GraphColumns = columns.slice(i, i + 1)
        began = time.perf_counter()
        embed(HeteroBatch.from_columns(graph, tables).to(device)).float().cpu()
        return 1e3 * (time.perf_counter() - began)

    cold = [ms(0) for _ in range(5)]
    same = [ms(0) for _ in range(len(rows))]
    return {"cold_ms": cold[0], "first_five_ms": cold, "same": spread(same),
            "others": spread([ms(i) for i in range(len(rows))])}  # fmt: skip


def spread(found: Sequence[float]) -> dict[str, float]:
    """Return the median, the 95th percentile and the largest of some times."""
    return {"calls": len(found), "median_ms": round(float(np.median(found)), 4),
            "p95_ms": round(float(np.quantile(found, 0.95)), 4),
            "most_ms": round(max(found), 4)}  # fmt: skip
