"""Recorded programs of one stream share a pool of memory, and each has the results it has alone."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network import fixed_program
from pepland_model.network.cuda_graph import GraphedInference, GraphedVectors
from pepland_model.network.fixed_program import FixedProgram, GraphPool, nothing, shared_pool
from pepland_model.network.pooling import Pooling
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.evaluate import Evaluation
from pepland_model.train.mask import MaskOptions
from pepland_model.train.pretrain_network import build_network
from pepland_model.train.step import PretrainUpdater
from pepland_model.train.step_program import StepProgram
from tests.helpers.model_batches import batch_of

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
CPU, MASKS = torch.device("cpu"), MaskOptions()


@dataclass
class Card:
    """Stands for a card: notes what is recorded in which pool, and computes nothing on replay."""

    pools: list[int]
    stream: int = 1
    handles: int = 0

    def handle(self) -> int:
        self.handles += 1
        return self.handles

    def graph(self, graph: object, pool: int, stream: object, **options: object) -> object:
        self.pools.append(pool)
        return nullcontext()


@pytest.fixture
def card(monkeypatch) -> Card:
    made = Card([])
    replayed = SimpleNamespace(replay=lambda: None)
    monkeypatch.setattr(fixed_program, "_STREAMS", {})
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: replayed)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", made.graph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", made.handle)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: object())
    monkeypatch.setattr(
        torch.cuda,
        "current_stream",
        lambda device: SimpleNamespace(device=device, cuda_stream=made.stream),
    )
    monkeypatch.setattr(FixedProgram, "_beside", FixedProgram._body)
    return made


def recorded(stages: int = 1) -> FixedProgram:
    """A program that does nothing, after its recording."""
    program = FixedProgram(
        stages * [lambda *_: ()], nothing_to_search, CPU, "off", between=(stages - 1) * [nothing]
    )
    program.records = True
    run(program)
    return program


def nothing_to_search(batch: HeteroBatch, rooms: object) -> None:
    """Search nothing."""


def run(program: FixedProgram, times: int = 3) -> None:
    for _ in range(times):
        program.submit(batch_of([0]), None, nothing)
    program.flush()


def test_programs_of_one_stream_share_a_pool_and_those_of_another_stream_do_not(card) -> None:
    first, second = recorded(), recorded(stages=3)
    assert card.pools == 4 * [1]
    card.stream = 2
    third = recorded()
    assert card.pools == [*4 * [1], 2]
    run(first)  # also here now
    assert card.pools == [*4 * [1], 2, 2]
    assert first._pool is third._pool is not second._pool


def test_a_pool_that_no_program_uses_is_given_back(card) -> None:
    """A handle without graphs must not be used again: PyTorch refuses it while memory is held."""
    first = recorded()
    first.prepare(batch_of([0]))
    run(first)
    second = recorded()
    first.prepare(batch_of([0]))
    run(first)
    assert card.pools == [1, 2, 2, 2]
    del first, second
    assert not list(fixed_program._POOLS.values())


def on_card(rows: range, tables: HeteroBatch | None = None) -> HeteroBatch:
    """A batch on the card, with the tables of another one."""
    batch = batch_of(list(rows)).to("cuda")
    if tables is not None:
        object.__setattr__(batch, "tables", tables.tables)
    return batch


def batches_on_card() -> list[HeteroBatch]:
    first = on_card(range(4, 12))
    return [first, *(on_card(rows, first) for rows in (range(4), range(12, 18), range(15, 22)))]


def updater_on_card(seed: int, batch: HeteroBatch) -> PretrainUpdater:
    torch.manual_seed(seed)
    labels = Vocabulary(tuple(batch.tables.host.fragment_smiles[1:100]))
    network = build_network(ModelConfig(hidden=32, depth=3), labels, bonds=False).cuda()
    group = ProcessGroup(0, 1, torch.device("cuda", torch.cuda.current_device()))
    return PretrainUpdater(network, OptimConfig(clip=1.0, ema=0.9, precision="fp32"), group, 40)


def own_pool(program: FixedProgram, pool: GraphPool) -> list[object]:
    """Record in a pool of its own."""
    return RECORDED_STAGES(program, GraphPool(torch.cuda.graph_pool_handle(), pool.stream))


RECORDED_STAGES = FixedProgram._recorded_stages


def work_in_turns() -> tuple[dict[str, list[Tensor]], list[FixedProgram]]:
    """Train two networks, evaluate both, and make vectors of a third, in turns, each recorded."""
    batches = batches_on_card()
    updaters = [updater_on_card(seed, batches[0]) for seed in (0, 1)]
    steps = [StepProgram(u, MASKS, 0, "on") for u in updaters]
    seen = [Evaluation(u.network, MASKS, u.processes, "fp32", "on") for u in updaters]
    torch.manual_seed(2)
    net = PharmHGT(PharmHGTConfig(hidden=32, depth=2)).cuda().eval()
    makers = [GraphedVectors(net, Pooling(), "on"), GraphedVectors(net, Pooling(how="max"), "on")]
    found: dict[str, list[Tensor]] = {f"{n} {i}": [] for n in NAMES for i in (0, 1)}
    for number in range(12):
        batch = batches[number % len(batches)]
        for i in (0, 1):
            done = steps[i].submit(number, 0, batch)
            found[f"vectors {i}"].append(makers[i].vectors(batch)[0].clone())
            done += steps[i].flush() if number % 3 == 0 else []
            found[f"training {i}"] += [step.result.tally for step in done]
            metrics = seen[i](batches)
            found[f"evaluation {i}"].append(torch.tensor(list(metrics.values())))
    for i in (0, 1):
        found[f"training {i}"] += [step.result.tally for step in steps[i].flush()]
        found[f"weights {i}"] = [p.detach().clone() for p in updaters[i].network.parameters()]
    programs = [*(s.program for s in steps), *(e.program for e in seen),
                *(m.program for m in makers)]  # fmt: skip
    return found, programs


NAMES = ("training", "evaluation", "vectors", "weights")


@pytest.mark.cuda
@needs_cuda
def test_programs_that_share_a_pool_have_the_bits_of_programs_with_pools_of_their_own(
    monkeypatch,
) -> None:
    shared, programs = work_in_turns()
    assert [program.recorded for program in programs] == 6 * [True]
    assert len({id(program._pool) for program in programs}) == 1
    del programs
    monkeypatch.setattr(FixedProgram, "_recorded_stages", own_pool)
    own, _ = work_in_turns()
    for name, values in own.items():
        assert len(shared[name]) == len(values), name
        other = [i for i, v in enumerate(values) if not torch.equal(shared[name][i], v)]
        assert not other, f"{name}: other bits in {other} of {len(values)}"


@pytest.mark.cuda
@needs_cuda
def test_ten_thousand_replays_need_no_more_memory_than_a_hundred() -> None:
    batch = on_card(range(2))
    net = PharmHGT(PharmHGTConfig(hidden=32, depth=2)).cuda().eval()
    replay, seen = GraphedInference(net, "on"), []
    for many in (100, 10_000 - 100):
        for _ in range(many):
            replay.submit(batch)
        replay.flush()
        torch.cuda.synchronize()
        seen.append((torch.cuda.memory_allocated(), torch.cuda.memory_reserved()))
    assert replay.program.recorded
    assert seen[1] == seen[0]


@pytest.mark.cuda
@needs_cuda
def test_a_program_on_another_stream_is_recorded_again_in_another_pool() -> None:
    batch = on_card(range(8))
    net = PharmHGT(PharmHGTConfig(hidden=32, depth=2)).cuda().eval()
    replay = GraphedInference(net, "on")
    first = [replay(batch).atom_embedding.clone() for _ in range(4)][-1]
    here, pool = torch.cuda.current_stream(), replay.program._pool
    other = torch.cuda.Stream()
    other.wait_stream(here)
    with torch.cuda.stream(other):
        second = [replay(batch).atom_embedding.clone() for _ in range(4)][-1]
        assert replay.program.recorded
        assert replay.program._pool is shared_pool(batch.device) is not pool
    here.wait_stream(other)
    assert torch.equal(first, second)
