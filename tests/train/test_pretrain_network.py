"""PharmHGT with its heads as the trainer sees it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.run.config import ModelConfig
from pepland_model.train.loss import COUNT, Term, pretrain_tally, total_loss
from pepland_model.train.mask import MaskOptions, mask_batch
from pepland_model.train.pretrain_network import (
    PretrainNetwork,
    build_network,
    recompute_attention,
    save_network,
)
from tests.helpers.pretrain_data import golden_batch

# An atom has one fragment, so the softmax over it is 1: its query and key never matter.
DEGENERATE = {
    f"encoder.mp.attn.pja.linears.{i}.{kind}" for i in (0, 1) for kind in ("weight", "bias")
}


def network(bonds: bool = False, output: str = "homo") -> PretrainNetwork:
    torch.manual_seed(0)
    smiles = golden_batch().tables.host.fragment_smiles
    vocabulary = Vocabulary(tuple(sorted(set(smiles) - {""}))[:20])
    return build_network(ModelConfig(output, 32, 3, 4), vocabulary, bonds)


def loss(net: PretrainNetwork, options: MaskOptions) -> torch.Tensor:
    tally = pretrain_tally(net(mask_batch(golden_batch(), options, 0, 0)))
    return total_loss(tally, tally.detach()[:, COUNT])


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
def test_every_output_gives_a_loss_with_a_gradient_on_all_trained_weights(output) -> None:
    net = network(True, output)
    loss(net, MaskOptions(mask_bonds=True)).backward()
    named = net.named_parameters()
    idle = [n for n, p in named if p.requires_grad and p.grad is None and n not in DEGENERATE]
    assert idle == []


def test_the_fragment_head_is_padded_to_a_multiple_of_eight() -> None:
    assert network().num_classes == (119, 24, 4)


def test_bonds_are_predicted_only_where_they_are_masked() -> None:
    masked = mask_batch(golden_batch(), MaskOptions(mask_bonds=True), 0, 0)
    assert network(bonds=False)(masked)[2] is None
    term = network(bonds=True)(masked)[2]
    assert term is not None
    assert term.logits.shape == (len(masked.bond_target), 4)


@pytest.mark.parametrize("output", ["homo", "fused"])
def test_predicting_masked_rows_only_has_the_loss_of_predicting_all(output) -> None:
    net = network(output=output)
    masked = mask_batch(golden_batch(), MaskOptions(), 0, 0)
    out = net.encoder(masked.batch)
    atoms, fragments, _ = net.targets(masked)
    everything = [
        Term(net.heads.atom(out.atom_embedding), atoms),
        Term(net.heads.fragment(out.fragment_embedding), fragments),
        None,
    ]
    assert torch.allclose(pretrain_tally(net(masked)), pretrain_tally(everything), rtol=1e-5)


def test_masked_codes_reach_no_view_of_the_model() -> None:
    """Two batches that differ only in what is masked have the same predictions: no label leaks."""
    options = MaskOptions("atom", atom_rate=1.0, fragment_rate=1.0)
    batch = golden_batch()
    other = replace(batch, atom_code=batch.atom_code.flip(0), fragment_code=batch.fragment_code)
    for output in ("homo", "checkpoint", "fused"):
        net = network(output=output)
        first = net(mask_batch(batch, options, 0, 0))[0].logits
        second = net(mask_batch(other, options, 0, 0))[0].logits
        assert torch.equal(first, second)


def test_recomputing_attention_keeps_loss_and_gradient_and_saves_memory() -> None:
    def measure(net: PretrainNetwork) -> tuple[float, float, int]:
        kept: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            value = loss(net, MaskOptions())
        saved = sum(kept.values())
        value.backward()
        norm = sum(float(p.grad.norm()) for p in net.parameters() if p.grad is not None)
        return float(value.detach()), norm, saved

    plain, lean = network(), network()
    recompute_attention(lean.encoder)
    (value, norm, saved), (lean_value, lean_norm, lean_saved) = measure(plain), measure(lean)
    assert value == pytest.approx(lean_value, rel=1e-6)
    assert norm == pytest.approx(lean_norm, rel=1e-5)
    assert lean_saved < 0.85 * saved


def test_a_network_is_written_with_its_configuration_and_vocabulary(tmp_path) -> None:
    net = network(output="fused")
    save_network(net, tmp_path)
    config = PharmHGTConfig.from_dict(json.loads((tmp_path / "config.json").read_text()))
    loaded = PharmHGT(config)
    loaded.load_state_dict(load_file(tmp_path / "model.safetensors"))
    batch = golden_batch([3])
    assert torch.equal(loaded(batch).atom_embedding, net.encoder(batch).atom_embedding)
    assert Vocabulary.from_file(tmp_path / "vocab.txt") == net.vocabulary
