"""What estimates of the golden graphs are made of, counted once."""

from __future__ import annotations

import pytest

from pepland_model.estimate.calibration import SHIPPED, Calibration
from pepland_model.estimate.cards import cards
from pepland_model.estimate.corpus import Corpus
from pepland_model.estimate.memory import Memory
from pepland_model.estimate.speed import Speeds
from pepland_model.estimate.work import Workload
from pepland_model.run.config import ModelConfig, OptimConfig


@pytest.fixture(scope="session")
def corpus(small_store):
    """The golden graphs as a corpus, for a network of default size."""
    return Corpus([str(small_store.path)], ModelConfig())


@pytest.fixture(scope="session")
def workload(corpus):
    """Steps of it."""
    return Workload(corpus, ModelConfig(), OptimConfig())


@pytest.fixture(scope="session")
def calibration(corpus):
    """The measurement that comes with the package."""
    return Calibration.read(SHIPPED, cards(), corpus)


@pytest.fixture(scope="session")
def speeds(workload, calibration):
    """Speeds as an estimate has them."""
    return Speeds(workload, calibration)


@pytest.fixture(scope="session")
def bounds(workload):
    """Speeds where nothing was measured, and a CPU reaches half of its limits."""
    return Speeds(workload, 0.5)


@pytest.fixture(scope="session")
def memory(speeds):
    """Memory of steps, for a corpus of 100,000 graphs."""
    return Memory(speeds, 100_000)
