"""Dry runs: operators, bytes, FLOPs and memory of real runs, without memory and without a card."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.utils._python_dispatch import _disable_current_modes, _get_current_dispatch_mode

from pepland_data.batch.byte_layout import Shape, spans
from pepland_data.batch.static_arrays import shape_of
from pepland_model.measure import dry_card as dry_cards
from pepland_model.measure import dry_steps as dry
from pepland_model.measure.dry_steps import (
    MASKS,
    PARTS,
    SETUP,
    dry_inferences,
    dry_steps,
    sizes_for,
    updater_for,
)
from pepland_model.measure.live_memory import BLOCK, LiveMemory
from pepland_model.measure.operator_counts import OperatorCounter
from pepland_model.network import takers
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.states.rooms import Rooms
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.mask import mask_batch
from pepland_model.train.step import PretrainUpdater
from pepland_model.train.step_program import StepProgram
from tests.helpers.paths import ROOT
from tests.helpers.pretrain_data import golden_batch

SMALL = ModelConfig(hidden=16)
ALWAYS = replace(SMALL, dedup="always")
FP32 = OptimConfig(precision="fp32", clip=1.0)
ALONE = ProcessGroup(0, 1, torch.device("cpu"))
TRAINING, INFERENCE = 0, 1


@cache
def sizes(graphs: int = 8, kind: int = TRAINING):
    return sizes_for(golden_batch(list(range(graphs))), SMALL)[kind]


def step(given=None, model=SMALL, options=FP32):
    return dry_steps(golden_batch().tables, [given or sizes()], model, options)[0]


def real_step(batch, given, model, options):
    """Return parts, peak and trained parameters of the second real step on a batch."""
    memory = LiveMemory()
    counter = OperatorCounter(*PARTS, *SETUP, default="weights", memory=memory)
    kept = patch.object(Rooms, "kept", counter.as_part("arrays", Rooms.kept))
    many = patch.object(torch.nn.utils.clip_grad, "_has_foreach_support", lambda *_: True)
    memory.note(dry.tensors_of(batch.tables), "tables")
    with counter, kept, many:
        updater = updater_for(batch.tables, model, options)
        made = StepProgram(updater, MASKS, 0, "off")
        dry.set_sizes(made.program, given, batch.tables, counter)
        with _disable_current_modes():
            made.program.arrays.fill(batch)
        with dry.divided(updater, made, counter):
            made.program._body()
            counter.clear()
            memory.forget()
            made.program._body()
    parts = {part: counter.parts[part] for part in PARTS}
    return parts, memory.peak, dry.gradients(updater.network)


def on_cpu(given, model, options):
    """Return a dry run of the branches of a CPU."""
    with patch.object(dry_cards, "CARDS", set()):
        return step(given, model, options)


OPTIONS = {
    "fp32": FP32,
    "bf16": replace(FP32, precision="bf16"),
    "average": replace(FP32, clip=0.0, ema=0.9),
    "recomputed": replace(FP32, activation_checkpointing=True),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_dry_step_does_what_a_real_step_does(name) -> None:
    """With the branches of a CPU, so that there is a real step on every machine."""
    batch = golden_batch(list(range(8)))
    parts, peak, trained = real_step(batch, sizes(), ALWAYS, OPTIONS[name])
    found = on_cpu(sizes(), ALWAYS, OPTIONS[name])
    assert found.parts == parts
    assert found.trained == trained
    assert found.peak == peak


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
def test_the_trained_parameters_are_those_with_a_gradient_in_a_real_step(output) -> None:
    batch, model = golden_batch([0, 1]), replace(SMALL, output=output)
    updater = PretrainUpdater(dry.network_for(batch.tables, model), FP32, ALONE, 2)
    updater.step(0, [mask_batch(batch, MASKS, 0, 0)])
    given = sizes_for(batch, model)[TRAINING]
    assert step(given, model).trained == dry.gradients(updater.network)


def test_the_arrays_of_a_batch_and_its_tables_are_in_the_memory() -> None:
    batch = golden_batch(list(range(8)))
    tables = sum(value.nbytes for value in dry.tensors_of(batch.tables))
    arrays = spans(Shape(sizes()["graphs"], sizes()["rows"]))[1]
    peak = on_cpu(sizes(), ALWAYS, FP32).peak
    assert 0 <= peak["tables"] - tables < 10 * BLOCK
    assert 0 <= peak["arrays"] - 2 * arrays < 10 * BLOCK


def test_memory_grows_with_the_batch_and_falls_with_fewer_bits_and_with_recomputing() -> None:
    tables, given = golden_batch().tables, [times(sizes(), n) for n in (1, 2, 4)]
    one, two, four = (run.peak_bytes for run in dry_steps(tables, given, SMALL, FP32))
    assert 1.5 * one < two < 2 * one
    assert 1.7 * two < four < 2 * two
    wide = replace(SMALL, hidden=64)
    plain, half, less = (step(given[-1], wide, OPTIONS[n]) for n in ("fp32", "bf16", "recomputed"))
    assert half.peak_bytes < 0.8 * plain.peak_bytes
    assert less.peak_bytes < 0.95 * plain.peak_bytes
    assert less.parts["forward"] == plain.parts["forward"]
    assert less.parts["backward"].flops > plain.parts["backward"].flops


def times(given, factor: int):
    """Return sizes with several times the rows and rooms."""
    many = {part: {k: factor * n for k, n in given[part].items()} for part in ("rows", "rooms")}
    return given | many | {"graphs": factor * given["graphs"]}


def same(found, wanted) -> bool:
    """Return whether runs are equal, but for the sizes of rooms, which a first run keeps."""
    near = all(abs(found.peak[part] - wanted.peak[part]) <= BLOCK for part in wanted.peak)
    return near and (found.parts, found.trained) == (wanted.parts, wanted.trained)


def test_several_sizes_in_one_call_give_the_same_as_one_call_each() -> None:
    tables, given = golden_batch().tables, [sizes(), times(sizes(), 3), sizes()]
    for model in (SMALL, replace(SMALL, dedup="never")):
        found, alone = dry_steps(tables, given, model, FP32), [step(s, model) for s in given[:2]]
        assert list(map(same, found, [*alone, alone[0]])) == [True] * 3
    given = [sizes(kind=INFERENCE), times(sizes(kind=INFERENCE), 3)]
    found = dry_inferences(tables, given, SMALL, "bf16")
    alone = [dry_inferences(tables, [one], SMALL, "bf16")[0] for one in given]
    assert list(map(same, found, alone)) == [True] * 2


def test_vectors_of_every_row_take_more_than_those_of_each_state() -> None:
    tables, given = golden_batch().tables, [sizes(kind=INFERENCE)]
    wide = replace(SMALL, hidden=128)
    (once,) = dry_inferences(tables, given, wide, "fp32")
    (every,) = dry_inferences(tables, given, replace(wide, dedup="never"), "fp32")
    assert every.parts["forward"].flops > 1.5 * once.parts["forward"].flops
    assert every.peak_bytes > once.peak_bytes


def test_vectors_of_every_row_are_counted_as_a_real_run_does_them() -> None:
    batch, model = golden_batch(list(range(8))), replace(SMALL, dedup="never")
    given = {"graphs": 8, "rows": shape_of(batch).rows, "rooms": {}, "salt": 0}
    with patch.object(dry_cards, "CARDS", set()):
        (found,) = dry_inferences(batch.tables, [given], model, "fp32")
    encoder = dry.network_for(batch.tables, model).encoder.eval()
    program, run = dry.every_vector(encoder)
    counter = OperatorCounter(*PARTS, *SETUP, default="weights")
    program.arrays = SimpleNamespace(batch=batch)
    places = [("plan", encoder, "plan")]
    with torch.no_grad(), counter, dry.counted(places, "forward", counter):
        run()
    assert found.parts == {part: counter.parts[part] for part in PARTS}


def test_inference_keeps_no_gradient_and_has_no_backward_pass() -> None:
    (found,) = dry_inferences(golden_batch().tables, [sizes(kind=INFERENCE)], SMALL, "fp32")
    assert not found.trained
    assert {part for part, counts in found.parts.items() if counts.operators} == {"plan", "forward"}


def test_a_program_that_reads_a_value_ends_in_an_error_that_names_it() -> None:
    with (
        patch.object(StepProgram, "_update", lambda self, halted: bool(halted)),
        pytest.raises(DataDependentOutputException, match="_local_scalar_dense"),
    ):
        step()
    assert patches() == NOTHING


def patches():
    """Return what a dry run may change while it runs."""
    from triton.runtime.interpreter import InterpretedFunction
    from triton.runtime.jit import JITFunction

    return (
        kernels.DEVICES,
        takers.DEVICES,
        kernels._installed,
        JITFunction.run,
        InterpretedFunction.run,
        torch.nn.utils.clip_grad._has_foreach_support,
        torch.autograd._engine_run_backward,
        Rooms.kept,
        _get_current_dispatch_mode(),
    )


def test_nothing_is_patched_afterwards() -> None:
    step()
    assert patches() == NOTHING
    assert kernels.DEVICES == takers.DEVICES == {"cuda"}


WITHOUT_TRITON = """
import json, sys
from types import SimpleNamespace
from unittest.mock import patch
if sys.argv[1] == "without":
    from importlib.abc import MetaPathFinder

    class Refused(MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "triton":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Refused())
    patch("pepland_model.network.kernels.devices.find_spec", lambda name: None).start()
import torch
from pepland_model.measure.step_counts import step_counts
from pepland_model.run.config import ModelConfig
from tests.helpers.pretrain_data import golden_batch

def figures():
    found = step_counts(golden_batch([0, 1, 2]), ModelConfig(hidden=16))
    return {part: vars(counts) for part, counts in found.items()}

first = figures()
again = figures()
left = [n for n in sys.modules if n.split(".")[0] == "triton" or (
        n.startswith("pepland_model.network.kernels.") and not n.endswith(".devices"))]
print(json.dumps({"first": first, "again": again, "left": left}))
"""


def run_apart(how: str):
    """Return what a process counts that can or cannot import Triton."""
    command = [sys.executable, "-c", WITHOUT_TRITON, how]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_a_machine_without_triton_counts_the_same_and_is_left_as_it_was() -> None:
    without, with_triton = run_apart("without"), run_apart("with")
    assert without["first"] == without["again"] == with_triton["first"]
    assert without["left"] == []
    assert {"triton", "pepland_model.network.kernels.masks"} <= set(with_triton["left"])


def test_modules_that_a_dry_run_imports_stay_imported_without_triton() -> None:
    """A module of PyTorch that were forgotten would be there twice when it is imported again."""
    name = "xml.dom.pulldom"
    sys.modules.pop(name, None)
    with patch.object(dry_cards, "is_installed", lambda: False), dry_cards.dry_card(print):
        found = import_module(name)
    assert sys.modules[name] is found


class Program:
    """Runs functions, and follows the memory of what they return."""

    def __init__(self) -> None:
        self.memory = LiveMemory()
        self.counter = OperatorCounter("a", "b", default="a", memory=self.memory)

    def __enter__(self) -> Program:
        self.counter.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.counter.__exit__(*error)

    @property
    def blocks(self) -> dict[str, int]:
        """Blocks in use, by part."""
        return {part: size // BLOCK for part, size in self.memory.now.items()}


def test_tensors_count_by_block_until_they_end() -> None:
    with Program() as run:
        x = torch.zeros(129)  # 516 bytes
        assert run.blocks == {"a": 2}
        y = torch.zeros(())
        assert run.blocks == {"a": 3}
        none = torch.zeros(0)
        assert run.blocks == {"a": 3}
        del x, none
        assert run.blocks == {"a": 1}
        del y
    assert not sum(run.memory.now.values())
    assert run.memory.peak == {"a": 3 * BLOCK}


def test_views_and_work_in_place_need_no_memory_and_keep_their_tensor() -> None:
    with Program() as run:
        x = torch.zeros(4, 128)
        view = x.view(512)[128:].t().expand(384)
        x.add_(1).mul_(2).resize_(2, 128)
        torch.ones(4, 128, out=x)
        assert run.blocks == {"a": 4}
        del x
        assert run.blocks == {"a": 4}
        del view
        assert run.blocks == {"a": 0}


def test_temporaries_make_the_peak_and_are_gone_after_it() -> None:
    with Program() as run:
        x = torch.zeros(1024)  # 8 blocks
        y = (x + 1) * 2 - 3  # two of 8 at once beside x, then only the last
        assert run.blocks == {"a": 16}
        assert run.memory.peak == {"a": 24 * BLOCK}
        run.memory.forget()
        assert run.memory.peak == {"a": 16 * BLOCK}
        del y
        z = x.sum()
        assert run.memory.peak == {"a": 16 * BLOCK}
        assert z == 0


def test_the_peak_is_shared_out_to_the_parts_that_made_the_tensors() -> None:
    with Program() as run:
        x = torch.zeros(1024)
        with run.counter.within("b"):
            y = x + 1
            z = x + y
        del x
        with run.counter.within("b"):
            torch.zeros(128)
    assert run.memory.peak == {"a": 8 * BLOCK, "b": 16 * BLOCK}
    assert run.blocks == {"a": 0, "b": 16}
    assert len(y) == len(z)


def test_what_autograd_keeps_is_in_use_until_the_backward_pass() -> None:
    with Program() as run:
        w = torch.ones(256, requires_grad=True)  # 2 blocks
        loss = (w.exp() * w.sin()).sum()  # keeps exp and sin beside w
        assert run.blocks == {"a": 2 + 2 + 2 + 1}
        with run.counter.within("b"):
            loss.backward()
        assert run.blocks == {"a": 2 + 1, "b": 2}
    assert w.grad is not None


def counted_peak(layers: torch.nn.Module, x: torch.Tensor) -> int:
    """Bytes that a forward and backward pass takes at most, beside weights and inputs."""
    with Program() as run:
        run.memory.note([*layers.parameters(), x], "b")
        layers(x).relu().sum().backward()
    return run.memory.peak["a"]


def square_layers() -> torch.nn.Module:
    """Without biases: a sum over rows takes a buffer and gives it back before the operator ends."""
    return torch.nn.Sequential(*(torch.nn.Linear(512, 512, False) for _ in range(4)))


def test_the_peak_of_a_pass_is_that_of_its_tensors() -> None:
    """Three inputs of layers and the result, then a gradient of the states and one of the weights:
    the fourth layer's states end when the result is there."""
    states, weight, loss = 1024 * 512 * 4, 512 * 512 * 4, 2 * BLOCK
    assert counted_peak(square_layers(), torch.randn(1024, 512)) == 5 * states + weight + loss


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_peak_is_that_of_the_allocator_of_cuda() -> None:
    layers, x = square_layers().cuda(), torch.randn(4096, 512, device="cuda")
    layers(x).sum().backward()  # libraries reserve their memory
    layers.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    peak = counted_peak(layers, x)
    torch.cuda.synchronize()
    found = torch.cuda.max_memory_allocated() - before
    assert peak == pytest.approx(found, rel=0.02)


NOTHING = patches()
