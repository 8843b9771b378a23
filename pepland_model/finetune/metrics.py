"""Metrics of regression and classification, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Metrics = dict[str, float]
"""Name -> value; NaN if undefined."""
BETTER_HIGH = ("r2", "spearman", "roc_auc", "pr_auc", "mcc", "accuracy")
"""Metrics of which the highest value is the best one; of the others it is the lowest."""
NAN = float("nan")


def rmse(target: Numbers, prediction: Numbers) -> float:
    """Return the root mean squared error, in the unit of the target."""
    return float(np.sqrt(np.mean((target - prediction) ** 2)))


def mae(target: Numbers, prediction: Numbers) -> float:
    """Return the mean absolute error, in the unit of the target."""
    return float(np.mean(np.abs(target - prediction)))


def r2(target: Numbers, prediction: Numbers) -> float:
    """Return the coefficient of determination; NaN if the target is constant."""
    total = np.sum((target - target.mean()) ** 2)
    return float(1 - np.sum((target - prediction) ** 2) / total) if total > 0 else NAN


def ranks(values: Numbers) -> Numbers:
    """Return the ranks, from 1; equal values get the mean of their ranks. [N]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], np.float64)


def pearson(a: Numbers, b: Numbers) -> float:
    """Return the linear correlation; NaN if one of the inputs is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.sum(a * a) * np.sum(b * b))
    return float(np.sum(a * b) / scale) if scale > 0 else NAN


def spearman(target: Numbers, prediction: Numbers) -> float:
    """Return the correlation of the ranks; NaN if one of the inputs is constant."""
    return pearson(ranks(target), ranks(prediction))


def roc_auc(positive: npt.NDArray[np.bool_], score: Numbers) -> float:
    """Return the area under the ROC curve; NaN if one of the two classes is absent.

    It is the probability that a positive has a higher score than a negative, computed as the
    Mann-Whitney statistic (Hanley and McNeil 1982); ties count half.
    """
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        return NAN
    return float((ranks(score)[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def pr_auc(positive: npt.NDArray[np.bool_], score: Numbers) -> float:
    """Return the average precision; NaN without positives.

    It is the mean of the precision at each threshold, weighted by the increase in recall.
    """
    if not positive.any():
        return NAN
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(positive[order])
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # last of each score
    precision = found[last] / (last + 1)
    recall = found[last] / found[-1]
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def mcc(target: Labels, prediction: Labels, classes: int) -> float:
    """Return Matthews' correlation for any number of classes (Gorodkin 2004).

    It is NaN if all targets, or all predictions, are of one class.
    """
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (target, prediction), 1)
    correct, total = np.trace(confusion), confusion.sum()
    actual, predicted = confusion.sum(1), confusion.sum(0)
    cross = correct * total - actual @ predicted
    scale = np.sqrt(total**2 - predicted @ predicted) * np.sqrt(total**2 - actual @ actual)
    return float(cross / scale) if scale > 0 else NAN


def metrics_of(target: npt.NDArray[Any], predictions: Numbers, classes: Sequence[str]) -> Metrics:
    """Return the metrics of a set.

    Args:
        target: [N, T] values, NaN if missing; or [N] classes.
        predictions: [N, T] values, or [N, C] probabilities.
        classes: names of the classes; empty for regression.

    Returns:
        For several targets, the means over those that vary; MAE and RMSE are then in standard
        deviations of the targets of the set.
    """
    if classes:
        return classification_metrics(target, predictions)
    if target.shape[1] == 1:
        return metrics_by_target(target, predictions)[0]
    unit = np.array([deviation(column) for column in target.T])
    return means(metrics_by_target(target / unit, predictions / unit))


def metrics_by_target(target: Numbers, predictions: Numbers) -> list[Metrics]:
    """Return the metrics of each target of a regression, of the peptides that have it.

    Args:
        target: [N, T], NaN if missing.
        predictions: [N, T].
    """
    known = ~np.isnan(target)
    return [regression_metrics(target[k, i], predictions[k, i]) for i, k in enumerate(known.T)]


def deviation(column: Numbers) -> float:
    """Return the standard deviation of the known values; NaN if there is none, or it is 0."""
    known = column[~np.isnan(column)].astype(np.float64)
    return (float(known.std()) or NAN) if len(known) else NAN


def means(found: Sequence[Metrics]) -> Metrics:
    """Return the mean of each metric where it is defined."""
    return {key: _mean([one[key] for one in found]) for key in found[0]}


def regression_metrics(target: Numbers, prediction: Numbers) -> Metrics:
    """Return MAE, RMSE, R2 and Spearman's rank correlation; NaN without rows.

    Args:
        target: [N].
        prediction: [N], in the same unit.
    """
    target, prediction = target.astype(np.float64), prediction.astype(np.float64)
    if not len(target):
        return dict.fromkeys(("mae", "rmse", "r2", "spearman"), NAN)
    return {
        "mae": mae(target, prediction),
        "rmse": rmse(target, prediction),
        "r2": r2(target, prediction),
        "spearman": spearman(target, prediction),
    }


def classification_metrics(target: Labels, probability: Numbers) -> Metrics:
    """Return the areas under the ROC and precision-recall curves, MCC and accuracy.

    For two classes, the areas are those of class 1. For more classes, they are means over the
    classes that occur, each against the rest.

    Args:
        target: [N] class of each row.
        probability: [N, C].
    """
    classes = probability.shape[1]
    chosen = range(1, 2) if classes == 2 else range(classes)
    scores = [(target == c, probability[:, c].astype(np.float64)) for c in chosen]
    predicted = probability.argmax(1)
    return {
        "roc_auc": _mean([roc_auc(positive, score) for positive, score in scores]),
        "pr_auc": _mean([pr_auc(positive, score) for positive, score in scores]),
        "mcc": mcc(target, predicted, classes),
        "accuracy": float(np.mean(predicted == target)),
    }


def nan_as_none(metrics: Metrics) -> dict[str, float | None]:
    """Return metrics for a JSON file, with None for NaN."""
    return {key: None if math.isnan(value) else value for key, value in metrics.items()}


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else NAN
