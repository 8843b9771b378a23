"""What one training step asks of a card, counted without one: ``pepland-bench model --count``.

The step is that of the trainer on a card (`pepland_model.train.step_program`), in float32, with
clipping. It runs on the CPU, on tensors that say they are on a card, after one step that fills
caches. Launches of Triton kernels count as one operator each; they are not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.autograd.graph import _engine_run_backward

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.measure.operator_counts import BACKWARD, Counts, OperatorCounter
from pepland_model.measure.pretended_card import CARD, CPU, PretendedCard, batch_on_card, on_card
from pepland_model.measure.report import GraphSource
from pepland_model.network.kernels import devices as kernels
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train import step_program as step_programs
from pepland_model.train.mask import MaskOptions, mask_batch
from pepland_model.train.pretrain_network import PretrainNetwork, build_network
from pepland_model.train.step import PretrainUpdater
from pepland_model.train.step_program import StepProgram

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
        "kernels": kernels.runs_on(CARD),
        "parts": {name: asdict(parts[name]) for name in PARTS},
        "total": asdict(sum(parts.values(), Counts())),
    }


def step_counts(batch: HeteroBatch, model: ModelConfig) -> dict[str, Counts]:
    """Return the counts of each of `PARTS` for one step on a batch, on the CPU and not masked."""
    counter = OperatorCounter(*PARTS, default="loss")
    with PretendedCard(counter) as card:
        updater = updater_on_card(batch, model)
        batch_on_card(batch)
        run = every_row(updater, batch, counter) if model.dedup == "never" else None
        program = None if run else step_program(updater, batch)
        with dry_kernels(counter), divided(updater, program, counter, card):
            run = run or program.program._body  # type: ignore[union-attr]
            run()
            counter.parts = {part: Counts() for part in PARTS}
            with counter:
                run()
    return counter.parts


def every_row(
    updater: PretrainUpdater, batch: HeteroBatch, counter: OperatorCounter
) -> Callable[[], object]:
    """Return a step that computes every row."""

    def run() -> None:
        with counter.within("masks"):
            masked = mask_batch(batch, MaskOptions(), 0, 0)
        updater.step(0, [masked])

    return run


def step_program(updater: PretrainUpdater, batch: HeteroBatch) -> StepProgram:
    """Return the program of a step, with arrays and rooms for a batch."""
    program = StepProgram(updater, MaskOptions(), 0, "off")
    with patch.object(kernels, "DEVICES", set()):  # its sizes are found by operators
        program.program.prepare(batch)
    return program


def updater_on_card(batch: HeteroBatch, model: ModelConfig) -> PretrainUpdater:
    """Return the updater of a new network, for a card."""
    fragments = batch.tables.host.fragment_smiles[1 : CLASSES + 1]
    torch.manual_seed(0)
    network = build_network(model, Vocabulary(tuple(fragments)), bonds=False)
    on_card(list(network.parameters()))
    return PretrainUpdater(network, OPTIONS, ProcessGroup(0, 1, CARD), total=2)


@contextmanager
def divided(
    updater: PretrainUpdater,
    program: StepProgram | None,
    counter: OperatorCounter,
    card: PretendedCard,
) -> Iterator[None]:
    """Count masks, plan, passes and update of a step apart from its loss."""
    network = updater.network
    assert isinstance(network, PretrainNetwork)
    backward = counter.as_part(BACKWARD, card.holding_all(_engine_run_backward))
    changes: list[tuple[Any, str, Any]] = [
        (network, "forward", counter.as_part("forward", network.forward)),
        (torch.autograd, "_engine_run_backward", backward),
    ]
    places: list[tuple[str, Any, str]] = [
        ("plan", network.encoder, "plan"),
        ("plan", network.encoder, "search_states"),
        ("masks", step_programs, "mask_batch_with"),
    ]
    for part, owner, name in places:
        changes.append((owner, name, counter.as_part(part, getattr(owner, name))))
    owner, name = (updater, "_apply_gradients") if program is None else (program, "_update")
    update = counter.as_part("optimizer", card.holding_all(getattr(owner, name)))
    with ExitStack() as stack:
        for target, attribute, value in [*changes, (owner, name, update)]:
            stack.enter_context(patch.object(target, attribute, value))
        yield


@contextmanager
def dry_kernels(counter: OperatorCounter) -> Iterator[None]:
    """Count launches of Triton kernels without running them.

    Their results are zeros. The sizes of all arrays are fixed, so the program is the same.
    """
    if not kernels.runs_on(CARD):  # Triton is not installed
        yield
        return
    from triton.runtime.interpreter import InterpretedFunction
    from triton.runtime.jit import JITFunction

    def launch(kernel: Any, *args: Any, **named: Any) -> None:
        counter.launched([*args, *named.values()])

    def zeros(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def made(*args: Any, **named: Any) -> Tensor:
            found = make(*args, **named)
            with counter.paused():
                return found.zero_()

        return made

    places = [(torch, "empty"), (torch, "empty_like"), (Tensor, "new_empty")]
    with ExitStack() as stack:
        for kind in (InterpretedFunction, JITFunction):
            stack.enter_context(patch.object(kind, "run", launch))
        for owner, name in places:
            stack.enter_context(patch.object(owner, name, zeros(getattr(owner, name))))
        yield
