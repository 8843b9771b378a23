"""The network against an independent one made of formulas and DGL: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pepland_data import HeteroBatch, featurize
from pepland_model import PharmHGT
from pepland_model.measure.dgl_formulation import DGLPharmHGT
from tests.helpers.model_batches import STATES, small_model
from tests.helpers.paths import GOLDEN
from tests.helpers.reference_model import reference


@pytest.fixture(scope="module")
def batch() -> HeteroBatch:
    smiles = [str(s) for s in np.load(GOLDEN / "public.npz")["smiles"][:14:2]]
    return HeteroBatch.from_graphs([featurize(s) for s in [*smiles, "C", "CC(=O)[O-].[Na+]"]])


def loss_of(states: dict[str, torch.Tensor]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    weighted = [(v * torch.randn(v.shape, generator=generator)).sum() for v in states.values()]
    return torch.stack(weighted).sum()


@pytest.fixture(scope="module")
def expected(batch):
    """States of the reference and gradients of a loss on them, by name."""
    model = small_model("fused", hidden=64)
    weights = {k: v.detach().clone().requires_grad_() for k, v in model.named_parameters()}
    states = reference(batch.to_dgl(), weights)
    states = {name: states[name] for name in STATES}
    loss_of(states).backward()
    return states, {name: weight.grad for name, weight in weights.items()}


def or_zero(gradient: torch.Tensor | None) -> torch.Tensor:
    return torch.zeros(()) if gradient is None else gradient


@pytest.mark.parametrize("dedup", [True, False])
def test_values_and_gradients_equal_the_dgl_reference(batch, expected, dedup: bool) -> None:
    states, gradients = expected
    model: PharmHGT = small_model("fused", hidden=64, dedup=dedup)
    out = model(batch)
    actual = {name: getattr(out, name) for name in STATES}
    for name, value in states.items():
        assert (actual[name] - value).abs().max() <= 1e-5 * value.abs().max(), name
    loss_of(actual).backward()
    for name, parameter in model.named_parameters():
        target = or_zero(gradients[name])
        # A key's bias shifts every score alike: its gradient is rounding noise, exactly zero here.
        scale = max(float(target.abs().max()), 1.0)
        assert (or_zero(parameter.grad) - target).abs().max() <= 2e-5 * scale, name


@pytest.mark.filterwarnings("ignore:The input graph for the user-defined edge function")
@pytest.mark.parametrize("output", ["homo", "fused"])
@pytest.mark.parametrize("smiles", [None, ["C"], ["CC(=O)[O-].[Na+]", "[He]"]])
def test_the_published_formulation_equals_the_reference(batch, output, smiles) -> None:
    """The baseline of the benchmarks computes what the network computes."""
    if smiles is not None:
        batch = HeteroBatch.from_graphs([featurize(s) for s in smiles])
    baseline = small_model(output, DGLPharmHGT, hidden=64)
    live_only = DGLPharmHGT(baseline.config, live_only=True)
    live_only.load_state_dict(baseline.state_dict())
    graph = batch.to_dgl()
    with torch.no_grad():
        states = reference(graph, dict(baseline.named_parameters()))
        outs = baseline(graph), live_only(graph)
    for out in outs:
        for name in STATES[: 2 if output == "homo" else 4]:
            error = (getattr(out, name) - states[name]).abs().max()
            assert error <= 1e-5 * states[name].abs().max() + 1e-7, name
    if output == "homo":
        assert outs[0].atom_junction is outs[0].fragment_junction is None
