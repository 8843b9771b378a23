"""What one training step asks of a card, counted without one: ``pepland-bench model --count``.

The step is that of the trainer (`pepland_model.train.step`), in float32, with clipping. It runs on
the CPU, on tensors that say they are on a card, after one step that fills caches. Work in numpy,
such as the search for equal states, is not counted; its copies to and from the card are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from unittest.mock import patch

import torch
from torch.autograd.graph import _engine_run_backward

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.measure.operator_counts import BACKWARD, Counts, OperatorCounter
from pepland_model.measure.pretended_card import CARD, CPU, PretendedCard, batch_on_card, on_card
from pepland_model.measure.report import GraphSource
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.mask import MaskOptions, mask_batch
from pepland_model.train.pretrain_network import PretrainNetwork, build_network
from pepland_model.train.step import PretrainUpdater

PARTS = ("masks", "plan", "forward", "loss", BACKWARD, "optimizer")
"""What the step does outside of the other parts is loss."""
CLASSES = 258
"""Labels of the fragment head, as published; fewer if the graphs have fewer fragments."""
OPTIONS = OptimConfig(precision="fp32", clip=1.0)


def count_report(store: str | None, size: int, model: ModelConfig) -> dict[str, Any]:
    """Return the counts of a step on the first graphs of a store, by part and in total.

    Args:
        store: folder of a store; None means the bundled sample, for which RDKit is needed.
        size: graphs of the batch; if there are fewer, all of them.
        model: sizes, output, and ``dedup`` as on a card.
    """
    batch = GraphSource.of(store, size).batches(size, 1, CPU)[0]
    parts = step_counts(batch, model)
    return {
        "graphs": batch.num_graphs,
        "atoms": len(batch.atom_code),
        "output": model.output,
        "dedup": model.dedup,
        "parts": {name: asdict(parts[name]) for name in PARTS},
        "total": asdict(sum(parts.values(), Counts())),
    }


def step_counts(batch: HeteroBatch, model: ModelConfig) -> dict[str, Counts]:
    """Return the counts of each of `PARTS` for one step on a batch, on the CPU and not masked."""
    counter = OperatorCounter(*PARTS, default="loss")
    with PretendedCard(counter) as card:
        updater = updater_on_card(batch, model)
        batch_on_card(batch)
        with divided(updater, counter, card):
            _step(updater, batch, counter, 0)
            counter.parts = {part: Counts() for part in PARTS}
            with counter:
                _step(updater, batch, counter, 1)
    return counter.parts


def _step(updater: PretrainUpdater, batch: HeteroBatch, counter: OperatorCounter, n: int) -> None:
    with counter.within("masks"):
        masked = mask_batch(batch, MaskOptions(), 0, n)
    updater.step(n, [masked])


def updater_on_card(batch: HeteroBatch, model: ModelConfig) -> PretrainUpdater:
    """Return the updater of a new network, for a card."""
    fragments = batch.tables.host.fragment_smiles[1 : CLASSES + 1]
    torch.manual_seed(0)
    network = build_network(model, Vocabulary(tuple(fragments)), bonds=False)
    on_card(list(network.parameters()))
    return PretrainUpdater(network, OPTIONS, ProcessGroup(0, 1, CARD), total=2)


@contextmanager
def divided(
    updater: PretrainUpdater, counter: OperatorCounter, card: PretendedCard
) -> Iterator[None]:
    """Count plan, forward pass, backward pass and update of a step apart from its loss."""
    network = updater.network
    assert isinstance(network, PretrainNetwork)
    backward = counter.as_part(BACKWARD, card.holding_all(_engine_run_backward))
    update = counter.as_part("optimizer", card.holding_all(updater._apply_gradients))
    with (
        patch.object(network.encoder, "plan", counter.as_part("plan", network.encoder.plan)),
        patch.object(network, "forward", counter.as_part("forward", network.forward)),
        patch.object(torch.autograd, "_engine_run_backward", backward),
        patch.object(updater, "_apply_gradients", update),
    ):
        yield
