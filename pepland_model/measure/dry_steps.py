"""Training steps and inference, run dry: what they launch on a card, and the memory they need.

The programs are those of the trainer on a card (`pepland_model.train.step_program`) and of
embedding (`pepland_model.network.cuda_graph`), for arrays of given sizes.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.autograd.graph import _engine_run_backward

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.byte_layout import Shape
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.batch.static_arrays import StaticArrays
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.measure.dry_card import dry_card
from pepland_model.measure.live_memory import LiveMemory
from pepland_model.measure.operator_counts import BACKWARD, Counts, OperatorCounter
from pepland_model.network.cuda_graph import GraphedVectors
from pepland_model.network.fixed_program import FixedProgram
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.pooling import Pooling, run_views, vectors
from pepland_model.network.states.rooms import Rooms
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train import step_program as step_programs
from pepland_model.train.loss import total_loss
from pepland_model.train.mask import MaskOptions
from pepland_model.train.pretrain_network import (
    PretrainNetwork,
    build_network,
    recompute_attention,
)
from pepland_model.train.step import PretrainUpdater, autocast
from pepland_model.train.step_program import StepProgram

PARTS = ("masks", "plan", "forward", "loss", BACKWARD, "optimizer")
"""What a step does outside of the other parts is loss."""
SETUP = ("weights", "arrays", "tables")
"""Parts of the memory that is there before the first step."""
CLASSES = 258
"""Labels of the fragment head, as published; fewer if the graphs have fewer fragments."""
CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
MASKS = MaskOptions()
Sizes = Mapping[str, Any]
"""As of `FixedProgram.sizes`."""


@dataclass(frozen=True)
class DryRun:
    """What one run of a program asks of a card."""

    parts: dict[str, Counts]
    """What each of `PARTS` does."""
    peak: Counter[str]
    """Bytes in use when most were, by the part that made them; see also `SETUP`."""
    trained: dict[str, int]
    """Parameters that had a gradient -> their bytes."""

    @property
    def peak_bytes(self) -> int:
        """Return the peak of memory."""
        return sum(self.peak.values())


def sizes_for(batch: HeteroBatch, model: ModelConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sizes of arrays and rooms for a batch, in training and in inference.

    They are those that a card would choose: with slack, by a search of the batch, masked or not.
    """
    network = network_for(batch.tables, replace(model, dedup="always"))
    updater = PretrainUpdater(network, OptimConfig(), ProcessGroup(0, 1, CPU), 2)
    training = StepProgram(updater, MASKS, 0, "off").program
    inference = GraphedVectors(network.encoder.eval(), Pooling(), "off").program
    for program in (training, inference):
        program.prepare(batch)
    return training.sizes(), inference.sizes()


@dataclass(frozen=True)
class DryProgram:
    """A program to run dry."""

    module: nn.Module
    """The network."""
    program: FixedProgram
    """Holds rooms and arrays."""
    run: Callable[[], object]
    """Runs it once."""
    divided: Callable[[OperatorCounter], AbstractContextManager[None]]
    """Counts its parts apart."""
    warms_up: bool
    """Whether the first run makes what later runs find, such as the state of an optimizer."""


def dry_steps(
    tables: BatchTables, sizes: Sequence[Sizes], model: ModelConfig, options: OptimConfig
) -> list[DryRun]:
    """Return what training steps ask of a card, the first one apart.

    Args:
        tables: of the batches.
        sizes: of arrays and rooms, of each step.
        model: sizes, output, and ``dedup``: "never" computes every row.
        options: precision, fp32 or bf16 (tf32 and fp16 ask for the same), clipping, average, and
            whether attention is recomputed.
    """

    def build() -> DryProgram:
        updater = updater_for(tables, model, options)
        made = StepProgram(updater, MASKS, 0, "off")
        run = every_row(updater, made) if model.dedup == "never" else made.program._body
        return DryProgram(
            updater.network, made.program, run, partial(divided, updater, made), warms_up=True
        )

    return dry_runs(tables, sizes, build)


def dry_inferences(
    tables: BatchTables, sizes: Sequence[Sizes], model: ModelConfig, precision: str
) -> list[DryRun]:
    """Return what computing vectors of batches asks of a card; arguments as `dry_steps`."""

    def build() -> DryProgram:
        encoder = network_for(tables, model).encoder.eval()
        made = every_vector if model.dedup == "never" else distinct_vectors
        program, body = made(encoder)

        def run() -> None:
            with torch.no_grad(), autocast(precision, CPU):
                body()

        places = [("plan", encoder, "plan"), ("plan", encoder, "search_states")]
        return DryProgram(
            encoder, program, run, partial(counted, places, "forward"), warms_up=False
        )

    return dry_runs(tables, sizes, build)


def distinct_vectors(encoder: PharmHGT) -> tuple[FixedProgram, Callable[[], object]]:
    """Return the program of vectors, each distinct state computed once, and what runs it."""
    program = GraphedVectors(encoder, Pooling(), "off").program
    return program, program._body


def every_vector(encoder: PharmHGT) -> tuple[FixedProgram, Callable[[], object]]:
    """Return the same for every row; the program only holds the arrays."""
    program, which = FixedProgram([], encoder.search_states, CPU, "off"), Pooling()

    def run() -> None:
        assert program.arrays is not None
        batch = program.arrays.batch
        vectors(batch, run_views(encoder, batch, *which.views), which)

    return program, run


def dry_runs(
    tables: BatchTables, sizes: Sequence[Sizes], build: Callable[[], DryProgram]
) -> list[DryRun]:
    """Build a program, and count a run of it for each of some sizes."""
    memory, found = LiveMemory(), []
    counter = OperatorCounter(*PARTS, *SETUP, default="weights", memory=memory)
    # What is the same in every run of a program is made in its first one.
    kept = patch.object(Rooms, "kept", counter.as_part("arrays", Rooms.kept))
    memory.note(tensors_of(tables), "tables")
    with dry_card(counter.launched), counter, kept:
        dry = build()
        with dry.divided(counter), no_collection():
            for number, size in enumerate(sizes):
                set_sizes(dry.program, size, tables, counter)
                if dry.warms_up and not number:
                    dry.run()
                gc.collect(0)  # the cycles of the run before
                counter.clear()
                memory.forget()
                dry.run()
                parts = {part: counter.parts[part] for part in PARTS}
                found.append(DryRun(parts, memory.peak, gradients(dry.module)))
    return found


@contextmanager
def no_collection() -> Iterator[None]:
    """Let no cycle of objects end at a moment that depends on what ran before."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def set_sizes(
    program: FixedProgram, sizes: Sizes, tables: BatchTables, counter: OperatorCounter
) -> None:
    """Give a program arrays and rooms of some sizes."""
    program.rooms = Rooms(sizes["rooms"], sizes["salt"])
    with counter.within("arrays"):
        program.arrays = StaticArrays(Shape(sizes["graphs"], sizes["rows"]), tables, CPU)


def tensors_of(tables: BatchTables) -> list[torch.Tensor]:
    """Return the tensors of tables, which lie on the card beside each batch."""
    return [value for value in vars(tables).values() if isinstance(value, torch.Tensor)]


def gradients(module: nn.Module) -> dict[str, int]:
    """Return the parameters that have a gradient, and their bytes."""
    return {n: p.grad.nbytes for n, p in module.named_parameters() if p.grad is not None}


def network_for(tables: BatchTables, model: ModelConfig) -> PretrainNetwork:
    """Return a new network, with labels for the fragments of some tables."""
    fragments = tables.host.fragment_smiles[1 : CLASSES + 1]
    return build_network(model, Vocabulary(tuple(fragments)), bonds=False)


def updater_for(tables: BatchTables, model: ModelConfig, options: OptimConfig) -> PretrainUpdater:
    """Return the updater of a new network, as the trainer sets it up on a card."""
    network = network_for(tables, model)
    if options.activation_checkpointing:
        recompute_attention(network.encoder)
    updater = PretrainUpdater(network, options, ProcessGroup(0, 1, CPU), 2)
    for group in updater.optimizer.param_groups:
        group |= {"fused": True, "foreach": False, "capturable": True}
    return updater


def every_row(updater: PretrainUpdater, made: StepProgram) -> Callable[[], object]:
    """Return a step that computes every row."""
    network = updater.network

    def run() -> None:
        assert made.program.arrays is not None
        masked, counts = made._begin(made.program.arrays.batch)
        # On a CPU, heads run on masked nodes only; their number is a value.
        with patch.object(network, "masked_rows", network.every_row):
            torch.autograd.backward(total_loss(updater.tally(masked), counts))
        with patch.object(updater, "device", CARD):  # a CPU stops where a gradient is not finite
            updater._apply_gradients(0)

    return run


@contextmanager
def divided(
    updater: PretrainUpdater, program: StepProgram, counter: OperatorCounter
) -> Iterator[None]:
    """Count masks, plan, passes and update of a step apart from its loss."""
    network = updater.network
    assert isinstance(network, PretrainNetwork)
    places = [
        ("plan", network.encoder, "plan"),
        ("plan", network.encoder, "search_states"),
        ("masks", step_programs, "mask_batch_with"),
        ("forward", network, "forward"),
        ("optimizer", program, "_update"),
        ("optimizer", updater, "_apply_gradients"),
    ]
    backward = counter.as_part(BACKWARD, _engine_run_backward)
    with (
        counted(places, "loss", counter),
        patch.object(torch.autograd, "_engine_run_backward", backward),
    ):
        yield


@contextmanager
def counted(
    places: list[tuple[str, Any, str]], rest: str, counter: OperatorCounter
) -> Iterator[None]:
    """Count what runs in some functions for their parts, and all else for the part `rest`."""
    with ExitStack() as stack:
        for part, owner, name in places:
            made = counter.as_part(part, getattr(owner, name))
            stack.enter_context(patch.object(owner, name, made))
        stack.enter_context(counter.within(rest))
        yield
