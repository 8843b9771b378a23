"""Triton's compiler takes every kernel for a Hopper card, with no card in the machine.

Its interpreter runs kernels that the compiler refuses.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT

pytest.importorskip("triton")
PROGRAM = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import jit
from triton.runtime.driver import driver

class Hopper:
    get_current_device = lambda self: 0
    get_current_stream = lambda self, device=None: 0
    get_current_target = lambda self: GPUTarget("cuda", 90, 32)

driver.set_active(Hopper())
run, names = jit.JITFunction.run, set()

def compile_only(kernel, *args, **kwargs):
    names.add(kernel.fn.__name__)
    found = run(kernel, *args, **kwargs | {"warmup": True})
    assert found.asm["cubin"]

jit.JITFunction.run = compile_only
from pepland_model.network.kernels import devices as kernels
kernels.DEVICES.add("cpu")
from pepland_model.network.kernels.attention import attend
from pepland_model.network.kernels.residual import residual
from pepland_model.network.kernels.segment_rows import segment_rows
from pepland_model.network.kernels.taken_sum import taken_sum
from pepland_model.network.takers import whole

def index(size, rows):
    return whole((torch.randint(0, rows, (size,)), None), rows)

def rows(size, width=300, dtype=None):
    return torch.randn(size, width, dtype=dtype or DTYPE, requires_grad=True)

dst = torch.arange(400) // 2
ptr, every = torch.arange(201) * 2, (None, None)
for DTYPE in (torch.float32, torch.bfloat16):
    x = rows(13, dtype=torch.float32)
    for few, many, size in ((100, 4000, 400), (3000, 3000, 400)):
        for own, inputs in ((index(200, few), index(400, many)), (every, every)):
            query = rows(200 if own is every else few)
            both = rows(400 if own is every else many, 600)
            attend(query, both, own, inputs, ptr, dst, 4).sum().backward()
            h = rows(len(both))
            segment_rows(h, inputs, ptr, dst).sum().backward()
        tables = x, rows(few), rows(many)
        places = [index(400, len(t))[0] for t in tables]
        taken_sum(tables, places, 400, DTYPE, signs=0b100, relu=True)
        taken = [(t, index(200, len(t))) for t in tables[:2]]
        residual(rows(200), *taken, ptr=ptr).sum().backward()
        residual(rows(200), *taken).sum().backward()
print(*sorted(names))
"""


STEP = """
import sys, torch
from triton.backends.compiler import GPUTarget
from triton.runtime import jit
from triton.runtime.driver import driver

class Card:
    get_current_device = lambda self: 0
    get_current_stream = lambda self, device=None: 0
    get_current_target = lambda self: GPUTarget("cuda", int(sys.argv[1]), 32)

driver.set_active(Card())
run, names = jit.JITFunction.run, set()

def compile_only(kernel, *args, **kwargs):
    names.add(kernel.fn.__name__)
    assert run(kernel, *args, **kwargs | {"warmup": True}).asm["cubin"]

jit.JITFunction.run = compile_only
# Kernels do not run, so their results are zeros: the sizes of arrays are fixed, and no other thing
# is decided by them.
torch.empty, torch.empty_like = torch.zeros, torch.zeros_like
torch.Tensor.new_empty = torch.Tensor.new_zeros
from unittest.mock import patch
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network import takers
from pepland_model.network.kernels import devices
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.mask import MaskOptions
from pepland_model.train.pretrain_network import build_network
from pepland_model.train.step import PretrainUpdater
from pepland_model.train.step_program import StepProgram
from tests.helpers.model_batches import batch_of

batch, cpu = batch_of(list(range(12))), torch.device("cpu")
labels = Vocabulary(tuple(batch.tables.host.fragment_smiles[1:9]))
takers.DEVICES.add("cpu")
for precision in ("fp32", "bf16"):
    network = build_network(ModelConfig(), labels, bonds=False)
    options = OptimConfig(precision=precision)
    updater = PretrainUpdater(network, options, ProcessGroup(0, 1, cpu), 10)
    program = StepProgram(updater, MaskOptions(), 0, "off")
    with patch.object(devices, "DEVICES", set()):
        program.program.prepare(batch)
    with patch.object(devices, "DEVICES", {"cpu"}):
        program.program._body()
print(len(names))
"""


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_all_kernels_of_a_step_are_compiled_for_cards(capability) -> None:
    environment = os.environ | {"TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", STEP, str(capability)]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) == 19


@pytest.mark.slow
def test_every_kernel_is_compiled_for_a_card() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "0"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    names = ["chunk_kernel", "forward_kernel", "node_kernel", "row_kernel", "sum_kernel"]
    assert run.stdout.split() == names
