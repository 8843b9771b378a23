"""The comparison with float64 passes a right float32 program, and fails a wrong one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

from pepland_model import PharmHGT, PharmHGTConfig
from tests.helpers.model_batches import masked
from tests.helpers.precision import errors, states_and_gradients, too_far
from tests.helpers.pretrain_data import golden_batch


@cache
def found_and_exact(output: str, dedup: bool) -> tuple[dict, dict]:
    torch.manual_seed(0)
    net = PharmHGT(PharmHGTConfig(output=output, dedup=dedup))
    batch = masked(golden_batch(), "pep")
    return states_and_gradients(net, batch), states_and_gradients(net.double(), batch)


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("dedup", [True, False])
def test_float32_on_a_cpu_is_near_float64(output, dedup) -> None:
    found, exact = found_and_exact(output, dedup)
    assert not too_far(found, exact)
    # Not by chance: every bound is several times what is found.
    worst = errors(found, exact)
    assert max(worst["atoms"], worst["fragments"]) < 1e-6
    assert max(worst.values()) < 5e-5


def spoiled(name: str, change) -> dict[str, float]:
    found, exact = found_and_exact("fused", True)
    return too_far(found | {name: change(found[name].clone())}, exact)


NAMES = ["atoms", "fragments", "w_atom.weight", "w_reac.bias", "mp.mp_list.aba.1.weight",
         "mp.attn.prp.linears.0.bias", "mp.attn.ajp.linears.3.weight"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_tensor_is_named(name) -> None:
    assert list(spoiled(name, lambda x: x * 1.0005)) == [name]
    assert list(spoiled(name, torch.zeros_like)) == [name]
    assert list(spoiled(name, lambda x: x.fill_(torch.nan))) == [name]


def test_a_gradient_of_a_bias_of_keys_has_to_be_near_zero() -> None:
    name = "mp.attn.aba.linears.1.bias"
    weight = found_and_exact("fused", True)[1]["mp.attn.aba.linears.1.weight"]
    assert list(spoiled(name, lambda x: x + 1e-3 * weight.norm())) == [name]


def test_one_bond_that_leads_elsewhere_is_too_far() -> None:
    batch = golden_batch()
    begin = batch.bond_begin.clone()
    begin[0] = batch.bond_end[0]  # of 2,000 bonds
    wrong = replace(batch, bond_begin=begin)
    torch.manual_seed(0)
    net = PharmHGT(PharmHGTConfig(dedup=False))
    found = states_and_gradients(net, wrong)
    far = too_far(found, states_and_gradients(net.double(), batch))
    assert "atoms" in far
    assert len(far) > 10


def test_a_missing_gradient_is_an_error() -> None:
    found, exact = found_and_exact("homo", True)
    with pytest.raises(AssertionError):
        too_far({name: value for name, value in found.items() if name != "w_atom.bias"}, exact)
