"""The model against the published formulation on DGL, which shares its parameters only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pepland_data import HeteroBatch, featurize
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.measure.dgl_formulation import DGLPharmHGT
from tests.helpers.paths import PUBLIC

NAMES = ("atom", "fragment", "atom_junction", "fragment_junction")
pytestmark = pytest.mark.filterwarnings("ignore:The input graph for the user-defined edge function")


@pytest.fixture(scope="module")
def batch() -> HeteroBatch:
    smiles = [str(s) for s in np.load(PUBLIC)["smiles"][:14]]
    return HeteroBatch.from_graphs([featurize(s) for s in [*smiles, "C", "CC(=O)[O-].[Na+]"]])


def pair(output: str, **options: object) -> tuple[PharmHGT, DGLPharmHGT]:
    torch.manual_seed(0)
    model = PharmHGT(PharmHGTConfig(output=output, **options))
    reference = DGLPharmHGT(model.config)
    reference.load_state_dict(model.state_dict())
    return model, reference


@pytest.mark.parametrize("dedup", [True, False])
def test_values_and_gradients_are_equal(batch: HeteroBatch, dedup: bool) -> None:
    model, reference = pair("fused", dedup=dedup)
    made, expected = model.train()(batch), reference(batch.to_dgl())
    generator = torch.Generator().manual_seed(1)
    loss = expected_loss = torch.zeros(())
    for name in NAMES:
        value, target = getattr(made, name), getattr(expected, name)
        assert (value - target).abs().max() <= 1e-5 * target.abs().max(), name
        pull = torch.randn(target.shape, generator=generator)
        loss, expected_loss = loss + (value * pull).sum(), expected_loss + (target * pull).sum()
    loss.backward()
    expected_loss.backward()
    wanted = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        zero = torch.zeros_like(parameter)  # a softmax over one key has no gradient
        target, found = (zero if g is None else g for g in (wanted[name].grad, parameter.grad))
        # A key's bias shifts every score alike: its gradient is rounding noise, exactly zero here.
        scale = max(float(target.abs().max()), 1.0)
        assert (found - target).abs().max() <= 2e-5 * scale, name


@pytest.mark.parametrize("output", ["homo", "fused"])
@pytest.mark.parametrize("smiles", [None, ["C"], ["CC(=O)[O-].[Na+]", "[He]"]])
def test_small_and_disconnected_molecules_are_equal(batch, output, smiles) -> None:
    if smiles is not None:
        batch = HeteroBatch.from_graphs([featurize(s) for s in smiles])
    model, reference = pair(output)
    live = DGLPharmHGT(model.config, live_only=True)
    live.load_state_dict(model.state_dict())
    with torch.no_grad():
        expected = model.eval()(batch)
        for made in (reference(batch.to_dgl()), live(batch.to_dgl())):
            for name in NAMES:
                value, target = getattr(made, name), getattr(expected, name)
                assert (value is None) == (target is None), name
                if target is not None:
                    assert (value - target).abs().max() <= 1e-5 * target.abs().max() + 1e-7, name
