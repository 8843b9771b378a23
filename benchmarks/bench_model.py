"""How many peptides a second PharmHGT runs, forward and in training steps, on this CPU.

One run measures the plain model, and the fast one with and without computing each state once. Keys
of states are in every figure. Not measured: the published code, reading and masking of batches, the
optimizer, CUDA devices.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import record
from pepland_data import HeteroBatch
from pepland_data.batch import BatchTables
from pepland_data.featurizer import FeaturizeOptions, Featurizer
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.mask import MaskOptions, mask_batch
from pepland_model.plain import PlainPharmHGT

DEFAULT = Path(__file__).resolve().parent.parent.parent / "shared/data/canonical.csv"


def batches(path: Path, graphs: int, size: int) -> list[HeteroBatch]:
    """Return batches of the first SMILES of a CSV file, the file repeated where it is short."""
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    name = next(k for k in rows[0] if k.lower() == "smiles")
    converted = Featurizer(FeaturizeOptions()).convert([r[name] for r in rows[:graphs]])
    tables, columns = BatchTables.from_tables(converted.tables), converted.columns
    starts = range(0, len(columns) - size + 1, size)
    return [HeteroBatch.from_columns(columns.slice(s, s + size), tables) for s in starts]


def rate(run: Callable[[HeteroBatch], Any], parts: list[HeteroBatch], repeats: int) -> float:
    """Return graphs a second: median over repeats, after one warm-up batch."""
    run(parts[0])
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        for part in parts:
            run(part)
        seconds.append(time.perf_counter() - began)
    return round(sum(p.num_graphs for p in parts) / statistics.median(seconds), 1)


def forward(model: torch.nn.Module) -> Callable[[HeteroBatch], Any]:
    """Return one inference call."""

    def run(batch: HeteroBatch) -> Any:
        with torch.no_grad():
            return model(batch)

    model.eval()
    return run


def training(model: torch.nn.Module) -> Callable[[HeteroBatch], Any]:
    """Return one forward and backward pass."""

    def run(batch: HeteroBatch) -> None:
        model.train()
        model.zero_grad(set_to_none=True)
        out = model(batch)
        (out.atom_embedding.square().mean() + out.fragment_embedding.square().mean()).backward()

    return run


def matmul_gflops() -> float:
    """Return the ceiling: float32 GFLOP/s of one [16384, 300] x [300, 300] product."""
    a, b = torch.randn(16384, 300), torch.randn(300, 300)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return round(2 * 16384 * 300 * 300 / statistics.median(times[3:]) / 1e9, 1)


def counts(model: PharmHGT, batch: HeteroBatch) -> dict[str, Any]:
    """Return rows of the batch and the rows that each level computes."""
    plan = model.plan(batch)
    assert plan.atoms is not None
    rows = {"atoms": len(batch.atom_code), "fragments": len(batch.fragment_code)}
    return rows | {"atom_view": plan.atoms.counts(), "fragment_view": plan.fragments.counts()}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--input", "path", type=click.Path(path_type=Path), default=DEFAULT)
@click.option("--graphs", default=998, show_default=True)
@click.option("--batch-size", default=256, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--quick", is_flag=True, help="One repeat of few graphs.")
@click.option("--name", default="model", show_default=True, help="Name of the result file.")
def main(path: Path, graphs: int, batch_size: int, repeats: int, quick: bool, name: str) -> None:
    """Measure and write benchmarks/results/<name>.json."""
    if quick:
        graphs, repeats = min(graphs, 512), 1
    parts = batches(path, graphs, batch_size)
    masked = [mask_batch(p, MaskOptions(), 0, 0).batch for p in parts]
    torch.manual_seed(0)
    plain = PlainPharmHGT(PharmHGTConfig())
    results: dict[str, Any] = {"matmul_gflops": matmul_gflops(), "batch_size": batch_size}
    small = parts[:1]
    results["plain"] = {
        "forward_per_s": rate(forward(plain), small, 1),
        "training_per_s": rate(training(plain), masked[:1], 1),
    }
    for label, dedup in (("every_row", False), ("each_state_once", "auto")):
        model = PharmHGT(PharmHGTConfig(dedup=dedup))
        model.load_state_dict(plain.state_dict())
        few = slice(0, 1) if not dedup else slice(None)
        with torch.no_grad():
            difference = (model.eval()(parts[0]).atom - plain(parts[0]).atom).abs().max()
        assert difference < 1e-5, difference
        results[label] = {
            "forward_per_s": rate(forward(model), parts[few], repeats if dedup else 1),
            "training_per_s": rate(training(model), masked[few], repeats if dedup else 1),
        }
        if dedup:
            model.train()
            results["counts_unmasked"] = counts(model, parts[0])
            results["counts_masked"] = counts(model, masked[0])
            fused = PharmHGT(PharmHGTConfig(output="fused"))
            results["each_state_once"]["forward_all_views_per_s"] = rate(forward(fused), parts, 1)
            results["each_state_once"]["atom_view_per_s"] = rate(atom_view(model), parts, repeats)
    click.echo(record.save(name, results).read_text())


def atom_view(model: PharmHGT) -> Callable[[HeteroBatch], Any]:
    """Return inference of the atom view alone, states kept across batches."""

    def run(batch: HeteroBatch) -> torch.Tensor:
        with torch.no_grad():
            f = torch.relu(model.w_atom(batch.tables.atom_x))
            x = torch.relu(model.w_bond(batch.tables.bond_x))
            return model._cached_atoms(batch, f, x, None)

    return run


if __name__ == "__main__":
    main()
