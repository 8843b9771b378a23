"""How fast are embeddings: peptides per second in bulk, milliseconds for a single one?

Bulk: ``pepland-embed`` on a store (graphs exist already), on a SMILES file (another process
converts at the same time), and with one peptide at a time (``--exact``). Single: a new `Embedder`
for each of the first peptides, then one peptide after another through one `Embedder`: new texts,
texts whose atom states are known, and texts whose vectors are kept. An early estimate was 50-80 ms
cold and 5-10 ms cached. Weights are random, because times do not depend on them. All ways are
checked to give the same vectors. Not measured: GPUs, the start of the process.
"""

from __future__ import annotations

import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.common import record
from benchmarks.common.training_data import CORPUS, training_store
from pepland_data.draw.figures import COLORS
from pepland_data.store.graph_store import open_store
from pepland_model import Embedder, PharmHGT, PharmHGTConfig
from pepland_model.embed.embed import EmbedInput, embed

ESTIMATE_MS = {"cold": (50, 80), "cached": (5, 10)}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds a call took, and its result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return median and 95th percentile in milliseconds."""
    ms = sorted(1e3 * v for v in values)
    p95 = ms[int(0.95 * (len(ms) - 1))]
    return {"median_ms": statistics.median(ms), "p95_ms": p95, "runs": len(ms)}


def bulk(
    model: Path, source: str, out: Path, rounds: int, exact: bool = False
) -> tuple[dict[str, float], np.ndarray]:
    """Return peptides per second (median of rounds) and the vectors."""
    rates = []
    for _ in range(rounds):
        report = embed(model, EmbedInput(path=source), out, device="cpu", exact=exact)
        rates.append(report["rows"] / report["seconds"])
    found = {"peptides_per_s": statistics.median(rates), "rounds": rounds, "rows": report["rows"]}
    return found, np.load(out)["embedding"]


def single(model: Path, texts: list[str], count: int) -> tuple[dict[str, Any], np.ndarray]:
    """Return latencies of single peptides, and the vectors of the last `count` texts."""
    fresh = [Embedder(model, device="cpu") for _ in range(3)]
    for embedder in fresh:  # the first call of a process includes imports and threads
        embedder.embed([texts[0]])
    first = [timed(lambda t=t: Embedder(model, device="cpu").embed([t])) for t in texts[:5]]
    one = Embedder(model, device="cpu", cache_bytes=0)
    one.embed([texts[0]])
    cold = [timed(lambda t=t: one.embed([t]))[0] for t in texts[1 : 1 + count]]
    one.embed(texts[:-count])
    new = [timed(lambda t=t: one.embed([t])) for t in texts[-count:]]
    again = [timed(lambda t=t: one.embed([t]))[0] for t in texts[-count:]]
    keeping = Embedder(model, device="cpu")
    keeping.embed(texts[-count:])
    kept = [timed(lambda t=t: keeping.embed([t]))[0] for t in texts[-count:]]
    found = {
        "model loaded and first peptide": spread(s for s, _ in first),
        "new text, few states known": spread(cold),
        f"new text after {len(texts) - count} others": spread(s for s, _ in new),
        "states known, vector not kept": spread(again),
        "vector kept": spread(kept),
    }
    return found, np.concatenate([r.vectors for _, r in new])


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw latencies with the estimates, and rates."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    names = list(results["single"])
    values = [results["single"][name]["median_ms"] for name in names]
    for name, (low, high) in ESTIMATE_MS.items():
        color = "#f3d19c" if name == "cold" else "#bfe3c8"
        left.axvspan(low, high, color=color, label=f"estimate, {name}: {low}-{high} ms")
    bars = left.barh(names, values, color=COLORS[0], height=0.55)
    left.bar_label(bars, labels=[f" {v:.3g} ms" for v in values])
    left.set(xscale="log", xlabel="one peptide, median, ms", xlim=(min(values) / 3, 6e3))
    left.invert_yaxis()
    left.legend(frameon=True, fontsize=8, loc="lower right")
    rates = {name: r["peptides_per_s"] for name, r in results["bulk"].items()}
    bars = right.barh(list(rates), list(rates.values()), color=COLORS[2], height=0.5)
    right.bar_label(bars, fmt=" %.0f")
    right.set(xlabel="peptides per second", xlim=(0, 1.2 * max(rates.values())))
    right.invert_yaxis()
    figure.savefig(path, dpi=130)


@click.command()
@click.option("--input", "source", default=str(CORPUS), help="CSV with a column smiles.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--single-peptides", default=100, show_default=True)
@click.option("--exact-peptides", default=60, show_default=True)
@click.option("--threads", default=2, show_default=True)
def main(source: str, rounds: int, single_peptides: int, exact_peptides: int, threads: int) -> None:
    """Measure and write benchmarks/results/embed.json and .png."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if not Path(source).is_file():
        raise SystemExit(f"{source} does not exist; give --input FILE")
    with open(source, newline="", encoding="utf-8") as file:
        texts = [row["smiles"] for row in csv.DictReader(file)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        PharmHGT(PharmHGTConfig()).save(folder / "model")
        store = training_store(None, source, 0, folder)
        few = folder / "few.csv"
        few.write_text("smiles\n" + "\n".join(texts[:exact_peptides]) + "\n", encoding="utf-8")
        model, out = folder / "model", folder / "e.npz"
        from_store, vectors = bulk(model, str(store), out, rounds)
        from_file, again = bulk(model, source, out, rounds)
        exact, alone = bulk(model, str(few), out, 1, exact=True)
        latencies, last = single(model, texts, single_peptides)
        for other, part in ((again, vectors), (alone, vectors[:exact_peptides]),
                            (last, vectors[-single_peptides:])):  # fmt: skip
            np.testing.assert_allclose(other, part, atol=1e-5)
        atoms = float(open_store(store).num_atoms.mean())
    results = {
        "settings": {"threads": threads, "atoms_a_peptide": round(atoms, 1)},
        "bulk": {"store": from_store, "SMILES file": from_file, "each alone (--exact)": exact},
        "single": latencies,
        "estimate_ms": ESTIMATE_MS,
    }
    draw(results, record.RESULTS / "embed.png")
    click.echo(f"wrote {record.save('embed', results)}")


if __name__ == "__main__":
    main()
