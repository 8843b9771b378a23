"""The share of its limits that the CPU of this machine reaches, where no card was measured."""

from __future__ import annotations

import torch

from pepland_model.estimate.corpus import Corpus
from pepland_model.measure.speed import Settings, ceilings, measure_training
from pepland_model.measure.variants import VARIANTS
from pepland_model.network.config import PharmHGTConfig

BATCH = 64
"""Graphs of the step."""


def cpu_share(corpus: Corpus, seconds: float = 0.5) -> float:
    """Return the share of the roofline that a training step reaches on the CPU.

    Args:
        corpus: graphs.
        seconds: time for the steps; at least three are made.
    """
    settings = Settings(torch.device("cpu"), config=PharmHGTConfig(), seconds=seconds)
    once = next(variant for variant in VARIANTS if variant.name == "states_once")
    found = measure_training(once, corpus.batch(BATCH), settings, ceilings(settings))
    return min(float(found["roofline_share"]), 1.0)
