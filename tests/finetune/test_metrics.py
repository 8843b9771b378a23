"""Metrics compared with scikit-learn and SciPy, if installed, and with their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_model.finetune import metrics
from pepland_model.finetune.confidence_interval import interval, t_quantile

SEEDS = range(8)


def sample(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 60)) + rng.normal(size=60)
    return (a.round(), b.round()) if ties else (a, b)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_regression_metrics_equal_sklearn_and_scipy(seed, ties) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    target, prediction = sample(seed, ties)
    found = metrics.regression_metrics(target, prediction)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(target, prediction))
    assert found["rmse"] == pytest.approx(math.sqrt(sk.mean_squared_error(target, prediction)))
    assert found["r2"] == pytest.approx(sk.r2_score(target, prediction))
    assert found["spearman"] == pytest.approx(stats.spearmanr(target, prediction).statistic)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_two_class_metrics_equal_sklearn(seed, ties) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, 70)
    score = rng.random(70).round(1 if ties else 9)
    probability = np.stack([1 - score, score], 1)
    found = metrics.classification_metrics(target, probability)
    guess = probability.argmax(1)
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(target, score))
    assert found["pr_auc"] == pytest.approx(sk.average_precision_score(target, score))
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(target, guess))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(target, guess))


@pytest.mark.parametrize("seed", SEEDS)
def test_more_classes_are_means_against_the_rest(seed) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    target, probability = rng.integers(0, 4, 90), rng.dirichlet(np.ones(4), 90)
    found = metrics.classification_metrics(target, probability)
    assert found["roc_auc"] == pytest.approx(
        sk.roc_auc_score(target, probability, multi_class="ovr")
    )
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(target, probability.argmax(1)))


def test_perfect_and_reversed_predictions() -> None:
    target = np.arange(10.0)
    assert metrics.regression_metrics(target, target) == {
        "mae": 0, "rmse": 0, "r2": 1, "spearman": 1,
    }  # fmt: skip
    assert metrics.spearman(target, -target) == -1
    positive = target > 4
    assert metrics.roc_auc(positive, target) == metrics.pr_auc(positive, target) == 1
    assert metrics.roc_auc(positive, -target) == 0


def test_undefined_metrics_are_nan() -> None:
    same = np.ones(5)
    assert math.isnan(metrics.r2(same, same))
    assert math.isnan(metrics.spearman(same, np.arange(5.0)))
    assert math.isnan(metrics.roc_auc(np.ones(5, bool), np.arange(5.0)))
    assert math.isnan(metrics.pr_auc(np.zeros(5, bool), np.arange(5.0)))
    assert math.isnan(metrics.mcc(np.zeros(5, int), np.zeros(5, int), 2))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=25))
def test_roc_auc_is_the_chance_that_a_positive_scores_higher(pairs) -> None:
    positive = np.array([p for p, _ in pairs])
    score = np.array([s for _, s in pairs], float)
    wins = [(a > b) + (a == b) / 2 for a in score[positive] for b in score[~positive]]
    found = metrics.roc_auc(positive, score)
    assert math.isnan(found) if not wins else found == pytest.approx(np.mean(wins))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 200])
@pytest.mark.parametrize("share", [0.9, 0.975, 0.995])
def test_the_t_quantile_equals_scipy(freedom, share) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-6)


def test_an_interval_of_five_runs_is_the_textbook_one() -> None:
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764451052 * math.sqrt(2.5) / math.sqrt(5)  # t table, 4 degrees of freedom
    assert found["mean"] == 3
    assert found["high"] - 3 == pytest.approx(half, rel=1e-6)
    assert 3 - found["low"] == pytest.approx(half, rel=1e-6)


def test_an_interval_of_one_run_has_no_width() -> None:
    assert interval([2.0]) == {"mean": 2.0, "std": None, "low": None, "high": None, "n": 1}
    assert interval([float("nan"), 2.0])["n"] == 1
    assert interval([])["mean"] is None
