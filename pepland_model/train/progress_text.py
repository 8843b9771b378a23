"""The lines that pre-training shows to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pepland_model.train.loss import TERMS


def step_line(values: Mapping[str, Any]) -> str:
    """Return the text of the progress line, from the metrics of the last steps."""
    accuracies = [f"{t} {values[f'{t}_accuracy']:.1%}" for t in TERMS if f"{t}_accuracy" in values]
    limit = values.get("data_limit", "consumer")  # disk, gather or copy: what the steps wait for
    waits_for = "" if limit == "consumer" else f" ({limit})"
    return (
        f"loss {values['loss']:.3f}, {', '.join(accuracies)}, {values['graphs_per_s']:.0f}/s, "
        f"waiting {values['waiting_share']:.1%}{waits_for}, {values['memory_gib']:.1f} GiB"
    )


def baseline_line(baseline: Mapping[str, float]) -> str:
    """Return a line with the losses of predicting the label frequencies."""
    parts = [
        f"{term} {baseline[f'{term}_loss']:.3f} (accuracy {baseline[f'{term}_accuracy']:.1%})"
        for term in TERMS
        if f"{term}_loss" in baseline
    ]
    return f"loss of predicting corpus frequencies: {', '.join(parts)}"


def evaluation_line(step: int, metrics: Mapping[str, float], baseline: Mapping[str, float]) -> str:
    """Return a line with the losses of an evaluation, each with that of the label frequencies."""
    parts = [
        f"{term} {metrics[f'{term}_loss']:.3f} (frequencies {baseline.get(f'{term}_loss', 0):.3f}),"
        f" accuracy {metrics[f'{term}_accuracy']:.1%} "
        f"(most frequent {baseline.get(f'{term}_accuracy', 0):.1%})"
        for term in TERMS
        if f"{term}_loss" in metrics
    ]
    return f"step {step}, validation: {'; '.join(parts)}"
