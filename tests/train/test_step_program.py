"""A training step as a fixed program: run here operator by operator, with the losses of the plain
step, whatever does not fit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass

import pytest
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network import fixed_program
from pepland_model.network import takers as by_takers
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.cuda_graph import GraphedInference, GraphedVectors
from pepland_model.network.fixed_program import FixedProgram, GraphPool, nothing
from pepland_model.network.pooling import Pooling, run_views, vectors
from pepland_model.network.states.rooms import Rooms
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.evaluate import Evaluation
from pepland_model.train.mask import MaskOptions, mask_batch
from pepland_model.train.out_of_memory import first_graphs
from pepland_model.train.pretrain_network import build_network
from pepland_model.train.step import PretrainUpdater
from pepland_model.train.step_program import Step, StepProgram, why_not
from tests.helpers.model_batches import batch_of, small_model

CPU = torch.device("cpu")
PER_EPOCH = 5


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch) -> None:
    monkeypatch.setattr(by_takers, "DEVICES", {"cpu"})


def updater(masks: MaskOptions, precision: str = "fp32", **model: object) -> PretrainUpdater:
    torch.manual_seed(0)
    labels = Vocabulary(tuple(parts()[0].tables.host.fragment_smiles[1:100]))
    config = ModelConfig(**{"hidden": 24, "depth": 3, **model})
    network = build_network(config, labels, masks.mask_bonds)
    options = OptimConfig(clip=1.0, ema=0.9, schedule="cosine", warmup_steps=3, precision=precision)
    return PretrainUpdater(network, options, ProcessGroup(0, 1, CPU), 10)


def parts() -> list[HeteroBatch]:
    """Batches of one corpus, of growing and shrinking size; the last is short."""
    sizes = [(0, 4), (4, 12), (12, 15), (15, 16), (16, 22)]
    return [batch_of(list(range(begin, end))) for begin, end in sizes]


def plain_steps(masks: MaskOptions, steps: int = 10, **model: object):
    u, results = updater(masks, **model), []
    for number in range(steps):
        batch = parts()[number % PER_EPOCH]
        results.append(u.step(number, [mask_batch(batch, masks, 0, number // PER_EPOCH)]))
    return u, results


def shrink(program: StepProgram, to: float) -> None:
    sizes = program.program.rooms.sizes
    assert sizes is not None
    program.program.rooms = Rooms({name: max(1, int(size * to)) for name, size in sizes.items()})


def program_steps(masks: MaskOptions, overflow_at: tuple[int, ...] = (), steps: int = 10, **model):
    u = updater(masks, **model)
    program, done = StepProgram(u, masks, 0, "off"), []
    for number in range(steps):
        if number in overflow_at:
            shrink(program, 0.3)
        done += program.submit(number, number // PER_EPOCH, parts()[number % PER_EPOCH])
    done += program.flush()
    return u, program, done


def assert_same(
    u: PretrainUpdater, results, other: PretrainUpdater, done: list[Step], precision: str = "fp32"
) -> None:
    # The bias of a key has no gradient but rounding, and Adam moves it up to 1e-3 a step.
    rtol, atol = {"fp32": (2e-5, 2e-5), "fp16": (2e-3, 1e-2)}[precision]
    assert [step.number for step in done] == list(range(len(results)))
    for result, step in zip(results, done, strict=True):
        assert torch.allclose(step.result.tally, result.tally, rtol=rtol, atol=1e-3)
        assert float(step.result.gradient_norm) == pytest.approx(
            float(result.gradient_norm), rel=10 * rtol, nan_ok=True
        )
        assert step.result.lr == result.lr
    for (name, one), two in zip(
        u.network.named_parameters(), other.network.parameters(), strict=True
    ):
        assert (one - two).abs().max() <= atol, name
    for name, average in u.average.average.items():
        assert (average - other.average.average[name]).abs().max() <= atol, name


@pytest.mark.parametrize(
    ("masks", "model"),
    [
        (MaskOptions(), {}),
        (MaskOptions(), {"output": "fused"}),
        (MaskOptions("residue", mask_bonds=True), {"output": "checkpoint"}),
        (MaskOptions("atom", mask_fragments=False), {}),
    ],
)
def test_steps_have_the_losses_and_weights_of_plain_steps(masks, model) -> None:
    u, results = plain_steps(masks, **model)
    other, program, done = program_steps(masks, **model)
    assert_same(u, results, other, done)
    assert program.program.overflows == 0


@pytest.mark.parametrize("at", [(6,), (6, 9), (6, 7, 8)])
def test_a_batch_that_does_not_fit_runs_again_and_changes_no_loss(at) -> None:
    u, results = plain_steps(MaskOptions())
    other, program, done = program_steps(MaskOptions(), at)
    assert program.program.overflows >= 1
    assert_same(u, results, other, done)


def test_a_step_that_does_not_fit_changes_no_weight() -> None:
    u = updater(MaskOptions())
    program = StepProgram(u, MaskOptions(), 0, "off")
    program.submit(0, 0, parts()[1])
    program.flush()
    before = [p.detach().clone() for p in u.network.parameters()]
    average = {name: a.clone() for name, a in u.average.average.items()}
    shrink(program, 0.3)
    assert program.submit(1, 0, parts()[1]) == []
    assert bool(program.program.halted)
    assert all(torch.equal(a, b) for a, b in zip(before, u.network.parameters(), strict=True))
    assert all(torch.equal(a, u.average.average[name]) for name, a in average.items())
    assert all(torch.isfinite(p).all() for p in u.network.parameters())
    assert [step.number for step in program.flush()] == [1]
    assert not bool(program.program.halted)


def test_a_program_that_starts_with_the_sizes_of_another_has_its_bits() -> None:
    """As a resumed run does. Sums of floats depend on the sizes of arrays in their last bits."""
    masks = MaskOptions()
    u, program, _ = program_steps(masks, overflow_at=(4,), steps=6)
    again, second, done = updater(masks), None, []
    again.network.load_state_dict(u.network.state_dict())
    again.optimizer.load_state_dict(deepcopy(u.optimizer.state_dict()))
    again.average.load(u.average.average)
    second = StepProgram(again, masks, 0, "off")
    second.program.start_with(program.program.sizes())
    for number in range(6, 10):
        batch = parts()[number % PER_EPOCH]
        done += second.submit(number, number // PER_EPOCH, batch)
        program.submit(number, number // PER_EPOCH, batch)
    done += second.flush()
    program.flush()
    assert second.program.sizes() == program.program.sizes()
    for one, two in zip(u.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, two)


def test_forged_sizes_are_too_small_and_grow() -> None:
    program = StepProgram(updater(MaskOptions()), MaskOptions(), 0, "off")
    rows = {"atom": 4096, "fragment": 2048, "bond": 4096, "reaction": 2048}
    program.program.start_with({"graphs": 40, "rows": rows, "rooms": {"odd": 7}, "salt": 3})
    done = program.submit(0, 0, parts()[1]) + program.flush()
    assert len(done) == 1
    assert program.program.overflows == 1


def test_evaluation_in_rooms_has_the_metrics_of_the_plain_one() -> None:
    u = updater(MaskOptions())
    group = ProcessGroup(0, 1, CPU)
    plain = Evaluation(u.network, MaskOptions(), group, "fp32")(parts())
    rooms = Evaluation(u.network, MaskOptions(), group, "fp32", "off")
    for _ in range(2):
        assert rooms(parts()) == pytest.approx(plain, rel=1e-5)
    assert u.network.training


@pytest.mark.parametrize("output", ["homo", "fused"])
def test_inference_in_rooms_has_the_states_and_vectors_of_the_model(output) -> None:
    net = small_model(output).eval()
    states, checked = GraphedInference(net, "off"), 0
    for batch in parts():
        found = states(batch)
        with torch.no_grad():
            expected = net(batch)
        assert torch.allclose(found.atom_embedding, expected.atom_embedding, atol=1e-5)
        assert torch.allclose(found.fragment_embedding, expected.fragment_embedding, atol=1e-5)
    for pooling in (Pooling(), Pooling(how="max", view="atom"), Pooling(level="fragment")):
        graphed = GraphedVectors(net, pooling, "off")
        for batch in parts():
            with torch.no_grad():
                expected, ptr = vectors(batch, run_views(net, batch, *pooling.views), pooling)
            found, found_ptr = graphed.vectors(batch)
            assert torch.equal(found_ptr, ptr)
            assert torch.allclose(found, expected, atol=1e-5)
            checked += 1
    assert checked == 3 * len(parts())


def test_a_graph_is_refused_without_a_card_and_where_a_step_cannot_be_recorded() -> None:
    with pytest.raises(InputError, match="CUDA device only"):
        FixedProgram([lambda *_: ()], nothing, CPU, "on")
    u = updater(MaskOptions())
    assert "on cpu" in why_not(u)
    u.device = torch.device("cuda")
    assert why_not(u) == ""
    u.network.encoder.config = PharmHGTConfig(hidden=24, depth=3, dedup=False)
    assert "never" in why_not(u)


@pytest.fixture
def full_card(monkeypatch) -> None:
    """Recording finds no memory, as on a card that other programs use."""

    class NoMemory:
        def __init__(self, *args: object, **options: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", NoMemory)
    monkeypatch.setattr(fixed_program, "shared_pool", lambda device: GraphPool(0, None))
    monkeypatch.setattr(FixedProgram, "_beside", FixedProgram._body)


def recording(program: StepProgram, must: bool, said: list[str]) -> None:
    program.program.records, program.program.must_record = True, must
    program.program.say = said.append


def test_a_step_that_cannot_be_recorded_says_so_once_and_has_the_same_losses(full_card) -> None:
    u, results = plain_steps(MaskOptions(), steps=6)
    other, said, done = updater(MaskOptions()), [], []
    program = StepProgram(other, MaskOptions(), 0, "off")
    recording(program, False, said)
    for number in range(6):
        done += program.submit(number, number // PER_EPOCH, parts()[number % PER_EPOCH])
    assert_same(u, results, other, done + program.flush())
    assert len(said) == 1
    assert "out of memory" in said[0]


def test_graph_on_is_an_error_where_a_step_cannot_be_recorded(full_card) -> None:
    program = StepProgram(updater(MaskOptions()), MaskOptions(), 0, "off")
    recording(program, True, [])
    for number in range(2):  # the first steps warm up
        program.submit(number, 0, parts()[4])
    with pytest.raises(InputError, match="cannot be recorded as a CUDA graph: CUDA out of memory"):
        program.submit(2, 0, parts()[4])


class Threads:
    """The sums of processes, here of threads that wait for each other."""

    def __init__(self, size: int) -> None:
        self.size, self.barrier = size, threading.Barrier(size, timeout=60)
        self.values: list[torch.Tensor | None] = [None] * size

    def sum_in_place(self, rank: int, values: torch.Tensor) -> None:
        self.values[rank] = values.clone()
        self.barrier.wait()
        total = sum(self.values[1:], start=self.values[0].clone())
        self.barrier.wait()
        values.copy_(total)


@dataclass(frozen=True)
class ThreadGroup(ProcessGroup):
    threads: Threads | None = None

    def sum_in_place(self, values: torch.Tensor) -> None:
        assert self.threads is not None
        self.threads.sum_in_place(self.rank, values)


def by_threads(
    masks: MaskOptions, size: int, steps: Callable[[int, StepProgram], list[Step]], **program: int
) -> tuple[list[PretrainUpdater], list[list[Step]], list[int]]:
    """Run steps in threads that stand for processes; return updaters, steps and overflows."""
    threads, updaters = Threads(size), [updater(masks) for _ in range(size)]
    found: list[list[Step]] = [[] for _ in range(size)]
    overflows = [-1] * size

    def run(rank: int) -> None:
        torch.set_num_threads(1)
        updaters[rank].processes = ThreadGroup(rank, size, CPU, threads)
        made = StepProgram(updaters[rank], masks, 0, "off", **program)
        found[rank] = [*steps(rank, made), *made.flush()]
        overflows[rank] = made.program.overflows

    workers = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    return updaters, found, overflows


EVEN = (
    ([0, 1, 2], [3, 4, 5], [6, 7, 8]),
    ([9, 10, 11], [12, 13, 14], [15, 16, 17]),
    ([18, 19], [20], []),
)
"""Rows of each process in each step; the last process has none in the third step."""
UNEVEN = (
    ([11, 0], [12, 1], [14, 2]),
    ([15, 3], [18, 4], [19, 5]),
    ([16, 6], [20, 21], [13, 17]),
)
"""The second process has more in the third step than fits into its arrays."""


def share(rows: list[int]) -> HeteroBatch:
    if rows:
        return batch_of(rows)
    return first_graphs(mask_batch(batch_of([0]), MaskOptions(), 0, 0), 0).batch


@pytest.mark.parametrize(
    ("shares", "overflow_at", "overflows"),
    [(EVEN, None, [0, 0, 0]), (EVEN, 2, [1, 1, 1]), (UNEVEN, None, [0, 0, 0]),
     (UNEVEN, 1, [1, 1, 1]), (UNEVEN, 2, [1, 1, 1])],
)  # fmt: skip
def test_several_processes_have_the_losses_of_one(shares, overflow_at, overflows) -> None:
    masks = MaskOptions()
    u, expected = updater(masks), []
    for number, parts in enumerate(shares):
        rows = [row for part in parts for row in part]
        expected.append(u.step(number, [mask_batch(batch_of(rows), masks, 0, 0)]))

    def steps(rank: int, program: StepProgram) -> list[Step]:
        done = []
        for number, parts in enumerate(shares):
            if rank == 0 and number == overflow_at:
                shrink(program, 0.1)  # in one process only
            done += program.submit(number, 0, share(parts[rank]))
        return done

    updaters, found, seen = by_threads(masks, 3, steps)
    assert seen == overflows
    for rank in range(3):
        assert_same(u, expected, updaters[rank], found[rank])
        for one, two in zip(
            updaters[0].network.parameters(), updaters[rank].network.parameters(), strict=True
        ):
            assert torch.equal(one, two)
