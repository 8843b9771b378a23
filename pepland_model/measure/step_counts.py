"""What one training step asks of a card, counted without one: ``pepland-bench model --count``.

The step is that of the trainer on a card, with clipping, on arrays that fit one batch.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.measure.dry_steps import CPU, PARTS, dry_steps, sizes_for
from pepland_model.measure.operator_counts import Counts
from pepland_model.measure.report import GraphSource
from pepland_model.run.config import ModelConfig, OptimConfig


def count_report(
    store: str | None, size: int, model: ModelConfig, precision: str = "fp32"
) -> dict[str, Any]:
    """Return the counts of a step on the first graphs of a store, by part and in total.

    Args:
        store: folder of a store; None means the bundled sample, for which RDKit is needed.
        size: graphs of the batch; if there are fewer, all of them.
        model: sizes, output, and ``dedup`` as on a card.
        precision: fp32 or bf16; tf32 asks for the same as fp32.
    """
    batch = GraphSource.of(store, size).batches(size, 1, CPU)[0]
    parts = step_counts(batch, model, precision)
    return {
        "graphs": batch.num_graphs,
        "atoms": len(batch.atom_code),
        "output": model.output,
        "dedup": model.dedup,
        "parts": {name: asdict(parts[name]) for name in PARTS},
        "total": asdict(sum(parts.values(), Counts())),
    }


def step_counts(
    batch: HeteroBatch, model: ModelConfig, precision: str = "fp32"
) -> dict[str, Counts]:
    """Return the counts of each of `PARTS` for one step on a batch, on the CPU and not masked."""
    sizes, _ = sizes_for(batch, model)
    return dry_steps(batch.tables, [sizes], model, OptimConfig(precision=precision, clip=1.0))[
        0
    ].parts
