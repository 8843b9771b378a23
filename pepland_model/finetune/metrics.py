"""How good predictions are: the usual figures of regression and classification, in plain numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
NAN = float("nan")


def rmse(target: Numbers, prediction: Numbers) -> float:
    """Return the root of the mean squared error, in units of the target."""
    return float(np.sqrt(np.mean((target - prediction) ** 2)))


def r2(target: Numbers, prediction: Numbers) -> float:
    """Return the share of the variance that is explained; below 0 worse than the mean."""
    total = np.sum((target - target.mean()) ** 2)
    return float(1 - np.sum((target - prediction) ** 2) / total) if total > 0 else NAN


def ranks(values: Numbers) -> Numbers:
    """Return ranks from 1 on; equal values share the mean of their ranks. [N]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], np.float64)


def pearson(a: Numbers, b: Numbers) -> float:
    """Return the linear correlation, NaN where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.sum(a * a) * np.sum(b * b))
    return float(np.sum(a * b) / scale) if scale > 0 else NAN


def spearman(target: Numbers, prediction: Numbers) -> float:
    """Return the correlation of ranks."""
    return pearson(ranks(target), ranks(prediction))


def roc_auc(positive: npt.NDArray[np.bool_], score: Numbers) -> float:
    """Return the area under the ROC curve: the chance that a positive scores above a negative.

    Computed as the Mann-Whitney statistic (Hanley and McNeil 1982); ties count half.
    """
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        return NAN
    return float((ranks(score)[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def pr_auc(positive: npt.NDArray[np.bool_], score: Numbers) -> float:
    """Return the average precision: precision at each threshold, weighted by the recall it adds."""
    if not positive.any():
        return NAN
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(positive[order])
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # one a distinct score
    precision = found[last] / (last + 1)
    recall = found[last] / found[-1]
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def mcc(target: Labels, prediction: Labels, classes: int) -> float:
    """Return Matthews' correlation for any number of classes (Gorodkin 2004), 0 where undefined."""
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (target, prediction), 1)
    right, all_of_them = np.trace(confusion), confusion.sum()
    truth, guess = confusion.sum(1), confusion.sum(0)
    cross = right * all_of_them - truth @ guess
    scale = np.sqrt(all_of_them**2 - guess @ guess) * np.sqrt(all_of_them**2 - truth @ truth)
    return float(cross / scale) if scale > 0 else 0.0


def regression_metrics(target: Numbers, prediction: Numbers) -> dict[str, float]:
    """Return RMSE, R2 and Spearman's correlation.

    Args:
        target: [N].
        prediction: [N], in the same unit.
    """
    target, prediction = target.astype(np.float64), prediction.astype(np.float64)
    return {
        "rmse": rmse(target, prediction),
        "r2": r2(target, prediction),
        "spearman": spearman(target, prediction),
    }


def classification_metrics(target: Labels, probability: Numbers) -> dict[str, float]:
    """Return areas under ROC and precision-recall curves, MCC and accuracy.

    With two classes the areas are those of class 1; with more, means over classes, each against
    the rest, classes that do not occur left out.

    Args:
        target: [N] class of each row.
        probability: [N, C].
    """
    classes = probability.shape[1]
    chosen = range(1, 2) if classes == 2 else range(classes)
    scores = [(target == c, probability[:, c].astype(np.float64)) for c in chosen]
    guess = probability.argmax(1)
    return {
        "roc_auc": _mean([roc_auc(positive, score) for positive, score in scores]),
        "pr_auc": _mean([pr_auc(positive, score) for positive, score in scores]),
        "mcc": mcc(target, guess, classes),
        "accuracy": float(np.mean(guess == target)),
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else NAN
