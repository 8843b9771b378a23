"""The model against an independent one made of formulas and DGL: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pepland_data import HeteroBatch, featurize
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.measure.dgl_formulation import DGLPharmHGT
from tests.helpers.paths import GOLDEN
from tests.helpers.reference_model import reference

NAMES = ("atom", "fragment", "atom_junction", "fragment_junction")


@pytest.fixture(scope="module")
def batch() -> HeteroBatch:
    smiles = np.load(GOLDEN / "public.npz")["smiles"][:14]
    return HeteroBatch.from_graphs([featurize(str(s)) for s in [*smiles, "C", "CC(=O)[O-].[Na+]"]])


@pytest.mark.parametrize("dedup", [True, False])
def test_values_and_gradients_equal_the_dgl_reference(batch: HeteroBatch, dedup: bool) -> None:
    torch.manual_seed(0)
    model = PharmHGT(PharmHGTConfig(output="fused", dedup=dedup)).train()
    weights = {k: v.detach().clone().requires_grad_() for k, v in model.named_parameters()}
    expected = reference(batch.to_dgl(), weights)
    made = model(batch)
    generator = torch.Generator().manual_seed(1)
    loss = expected_loss = torch.zeros(())
    for name in NAMES:
        value, target = getattr(made, name), expected[name]
        assert (value - target).abs().max() <= 1e-5 * target.abs().max(), name
        pull = torch.randn(target.shape, generator=generator)
        loss, expected_loss = loss + (value * pull).sum(), expected_loss + (target * pull).sum()
    loss.backward()
    expected_loss.backward()
    for name, parameter in model.named_parameters():
        target = weights[name].grad
        target = torch.zeros_like(parameter) if target is None else target
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        # A key's bias shifts every score alike: its gradient is rounding noise, exactly zero here.
        scale = max(float(target.abs().max()), 1.0)
        assert (found - target).abs().max() <= 2e-5 * scale, name


@pytest.mark.filterwarnings("ignore:The input graph for the user-defined edge function")
@pytest.mark.parametrize("output", ["homo", "fused"])
@pytest.mark.parametrize("smiles", [None, ["C"], ["CC(=O)[O-].[Na+]", "[He]"]])
def test_the_published_formulation_equals_the_reference(batch, output, smiles) -> None:
    """The baseline of the benchmarks computes what the model computes."""
    if smiles is not None:
        batch = HeteroBatch.from_graphs([featurize(s) for s in smiles])
    torch.manual_seed(0)
    baseline = DGLPharmHGT(PharmHGTConfig(output=output))
    graph = batch.to_dgl()
    with torch.no_grad():
        expected = reference(graph, dict(baseline.named_parameters()))
        made = [baseline(graph), DGLPharmHGT(baseline.config, live_only=True)]
        made[1].load_state_dict(baseline.state_dict())
        made[1] = made[1](graph)
    for name in NAMES[:2]:
        for out in made:
            error = (getattr(out, name) - expected[name]).abs().max()
            assert error <= 1e-5 * expected[name].abs().max() + 1e-7, name
    for name in NAMES[2:]:
        if output == "homo":
            assert getattr(made[0], name) is None
            continue
        error = (getattr(made[0], name) - expected[name]).abs().max()
        assert error <= 1e-5 * expected[name].abs().max() + 1e-7, name
