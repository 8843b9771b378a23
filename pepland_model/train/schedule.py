"""The learning rate as a function of the step alone, so that a checkpoint need not save it."""

from __future__ import annotations

import math


def learning_rate(
    step: int, peak: float, schedule: str, warmup: int, total: int, floor: float = 0.0
) -> float:
    """Return the learning rate of an optimizer step.

    Args:
        step: number of steps already done, 0 for the first.
        peak: highest learning rate, reached after the warm-up.
        schedule: ``constant``; ``cosine`` down to ``floor * peak`` at `total`; ``noam``, which
            falls with the square root of the step (Vaswani et al. 2017, section 5.3).
        warmup: steps of linear increase, 0 for none.
        total: steps of the whole run; only ``cosine`` uses it.
        floor: share of the peak at the end of ``cosine``.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    if schedule == "cosine":
        done = min(1.0, (step - warmup) / max(1, total - warmup))
        return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
    if schedule == "noam":
        return peak * math.sqrt(max(1, warmup) / max(1, step + 1))
    return peak
