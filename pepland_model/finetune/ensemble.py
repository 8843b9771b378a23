"""The seeds of a run as one model: mean predictions, and what their spread is worth.

With folds, each peptide is in the test set of one fold, so these are figures over all peptides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from pepland_model.finetune.metrics import Metrics, means, metrics_of, nan_as_none, spearman
from pepland_model.finetune.run_predictions import values_of

SHARE = "probability_"
KEYS = ["set", "store", "row_id"]
BINS = 10
"""Bins of probability for the calibration error."""


def ensemble(table: Any) -> dict[str, dict[str, float | None]]:
    """Return set -> metrics of the mean predictions over the seeds.

    Args:
        table: Arrow table of ``predictions.parquet``.

    Returns:
        The metrics of `metrics_of`, and of `uncertainty`. Empty with one seed. A set is left out
        if some of its peptides were predicted more often than others.
    """
    if len(table.column("seed").unique()) < 2:
        return {}
    classes = tuple(n.removeprefix(SHARE) for n in table.column_names if n.startswith(SHARE))
    names = [SHARE + name for name in classes] or values_of(table, "prediction")
    targets = values_of(table, "target")
    wanted: list[Any] = [(n, how, pc.VarianceOptions(ddof=0) if how == "stddev" else None)
                         for n in names for how in ("mean", "stddev")]  # fmt: skip
    measured = [(name, "min") for name in targets]
    grouped = table.group_by(KEYS).aggregate([("seed", "count"), *measured, *wanted])
    found = {}
    for name in grouped.column("set").unique().to_pylist():
        part = grouped.filter(pc.equal(grouped.column("set"), name))
        if len(part.column("seed_count").unique()) == 1:
            found[name] = nan_as_none(_of_set(part, targets, names, classes))
    return found


def _of_set(part: Any, targets: list[str], names: list[str], classes: tuple[str, ...]) -> Metrics:
    mean, spread = (
        np.stack([part.column(f"{n}_{how}").to_numpy() for n in names], 1).astype(np.float64)
        for how in ("mean", "stddev")
    )
    if classes:
        place = {name: i for i, name in enumerate(classes)}
        target = np.array([place[name] for name in part.column("target_min").to_pylist()])
        found = metrics_of(target, mean, classes)
        return {**found, "calibration_error": calibration_error(target, mean)}
    values = np.stack([part.column(f"{n}_min").to_numpy() for n in targets], 1).astype(np.float64)
    each = [
        uncertainty(values[known, i], mean[known, i], spread[known, i])
        for i, known in enumerate(~np.isnan(values).T)
        if known.any()
    ]
    return {**metrics_of(values, mean, ()), **means(each)}


def uncertainty(
    target: npt.NDArray[np.float64],
    mean: npt.NDArray[np.float64],
    spread: npt.NDArray[np.float64],
) -> dict[str, float]:
    """Return what the spread over the seeds says about the error.

    Args:
        target: [N].
        mean: [N], predictions.
        spread: [N], standard deviation over the seeds.

    Returns:
        ``error_per_spread``: root mean square of the errors over that of the spreads; 1 would be
        calibrated. ``spread_error_spearman``: rank correlation of spread and absolute error.
    """
    error = np.abs(target - mean)
    width = np.sqrt(np.mean(spread**2))
    ratio = float(np.sqrt(np.mean(error**2)) / width) if width > 0 else float("nan")
    return {"error_per_spread": ratio, "spread_error_spearman": spearman(error, spread)}


def calibration_error(target: npt.NDArray[np.int64], probability: npt.NDArray[np.float64]) -> float:
    """Return the expected calibration error of the predicted class, in 10 bins (Guo et al. 2017).

    It is the mean difference between the highest probability and the accuracy, weighted by the
    peptides of a bin.
    """
    confidence, hit = probability.max(1), probability.argmax(1) == target
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    difference = np.bincount(place, confidence - hit, minlength=BINS)
    return float(np.abs(difference).sum() / len(target))
