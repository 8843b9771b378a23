"""Confidence interval of the mean of a few values, by Student's t distribution."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

STEPS = 2000
"""Intervals of Simpson's rule; the error of the distribution function is below 1e-9."""


def student_t(t: float, freedom: int) -> float:
    """Return the probability that a Student t variable is below `t` >= 0 (Gosset 1908).

    With t = sqrt(freedom) tan(a), the density becomes cos(a)^(freedom - 1), which is smooth.
    """
    norm = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    end = math.atan(t / math.sqrt(freedom))
    width = end / STEPS
    total = sum(
        (1 if k in (0, STEPS) else 4 if k % 2 else 2) * math.cos(k * width) ** (freedom - 1)
        for k in range(STEPS + 1)
    )
    return 0.5 + norm / math.sqrt(math.pi) * total * width / 3


def t_quantile(share: float, freedom: int) -> float:
    """Return the t below which a share (0.5 to 1) of the distribution lies, by bisection."""
    low, high = 0.0, 1.0
    while student_t(high, freedom) < share:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_t(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def interval(values: Sequence[float], share: float = 0.95) -> dict[str, float | int | None]:
    """Return mean, standard deviation and confidence interval of the mean.

    Args:
        values: one per run; NaN is left out.
        share: confidence level.

    Returns:
        ``mean``, ``std``, ``low``, ``high`` and ``n`` (number of values). ``std``, ``low`` and
        ``high`` are None for one value; without values ``mean`` is None too.
    """
    known = [value for value in values if not math.isnan(value)]
    n = len(known)
    mean = statistics.fmean(known) if known else None
    if mean is None or n < 2:
        return {"mean": mean, "std": None, "low": None, "high": None, "n": n}
    spread = statistics.stdev(known)
    half = t_quantile(0.5 + share / 2, n - 1) * spread / math.sqrt(n)
    return {"mean": mean, "std": spread, "low": mean - half, "high": mean + half, "n": n}
