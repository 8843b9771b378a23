"""The fast model and each state once, against the plain model: values and gradients."""

from __future__ import annotations

import pytest
import torch

from pepland_data import HeteroBatch, featurize
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network.plain_pharmhgt import PlainPharmHGT
from pepland_model.train.mask import MaskOptions, mask_batch

SMILES = [
    "NCC(=O)NCC(=O)O", "C", "CC(=O)[O-].[Na+]", "O=C1CCC(=O)N1CC(=O)NC", "F[P-](F)(F)(F)(F)F",
    "CC(C)C[C@H](NC(=O)[C@H](C)NC(=O)[C@H](Cc1ccccc1)NC(=O)CN)C(=O)O",
    "CC(C)C[C@H](NC(=O)[C@H](C)NC(=O)[C@H](Cc1ccccc1)NC(=O)CN)C(=O)N[C@@H](CC(C)C)C(=O)O",
    "c1ccccc1", "[He]",
]  # fmt: skip
NAMES = ("atom", "fragment", "atom_junction", "fragment_junction")


def batch_of(smiles: list[str], masked: bool = False) -> HeteroBatch:
    batch = HeteroBatch.from_graphs([featurize(s) for s in smiles])
    return mask_batch(batch, MaskOptions(mode="atom"), 0, 0).batch if masked else batch


def pair(output: str, dedup: bool | str) -> tuple[PlainPharmHGT, PharmHGT]:
    torch.manual_seed(0)
    plain = PlainPharmHGT(PharmHGTConfig(output=output))
    fast = PharmHGT(PharmHGTConfig(output=output, dedup=dedup))
    fast.load_state_dict(plain.state_dict())
    return plain, fast


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    assert (a - b).abs().max() <= 1e-5 * b.abs().max() + 1e-7


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("dedup", ["auto", True, False])
@pytest.mark.parametrize("masked", [False, True])
def test_values_and_gradients_equal_the_plain_model(output: str, dedup: bool, masked: bool) -> None:
    batch = batch_of(SMILES * 2, masked)
    plain, fast = pair(output, dedup)
    outs = plain(batch), fast(batch)
    for name in NAMES[: 2 if output == "homo" else 4]:
        close(getattr(outs[1], name), getattr(outs[0], name))
    for out in outs:
        weight = torch.linspace(-1, 1, len(out.atom)).unsqueeze(1)
        ((out.atom_embedding * weight).sum() + (out.fragment_embedding**2).sum()).backward()
    wanted = dict(plain.named_parameters())
    for name, p in fast.named_parameters():
        if wanted[name].grad is not None and p.grad is not None:
            scale = wanted[name].grad.abs().max()
            assert (p.grad - wanted[name].grad).abs().max() <= 2e-5 * scale + 1e-5, name


@pytest.mark.parametrize("dedup", ["auto", True, False])
def test_chosen_rows_are_the_rows_of_all(dedup: bool) -> None:
    batch = batch_of(SMILES)
    _, fast = pair("fused", dedup)
    fast.train()
    rows, fragments = torch.tensor([5, 0, 3]), torch.tensor([2, 1])
    some, every = fast(batch, rows, fragments), fast(batch)
    close(some.atom_embedding, every.atom_embedding[rows])
    close(some.fragment_embedding, every.fragment_embedding[fragments])


def test_states_kept_across_batches_are_those_of_the_batch_itself() -> None:
    plain, fast = pair("fused", "auto")
    fast.eval()
    whole = batch_of(SMILES)
    order = [[0, 5], [1, 5, 6], [0, 1, 2, 3, 4, 5, 6, 7, 8]]
    for chosen in order:
        graphs = [whole.graph(i) for i in chosen]
        from pepland_data.graph.columns import concat

        part = HeteroBatch.from_columns(concat([g.columns for g in graphs]), whole.tables)
        with torch.no_grad():
            close(fast(part).atom, plain(part).atom)


def test_new_weights_empty_the_states_that_were_kept() -> None:
    plain, fast = pair("homo", "auto")
    fast.eval()
    batch = batch_of(SMILES)
    with torch.no_grad():
        fast(batch)
        for model in (plain, fast):
            for p in model.parameters():
                p.mul_(1.1)
        close(fast(batch).atom, plain(batch).atom)


@pytest.mark.parametrize("dedup", ["auto", False])
def test_two_runs_give_the_same_bits(dedup: bool) -> None:
    batch = batch_of(SMILES, True)
    _, fast = pair("fused", dedup)
    runs = []
    for _ in range(2):
        fast.zero_grad()
        out = fast(batch)
        (out.atom_embedding.square().sum() + out.fragment_embedding.square().sum()).backward()
        runs.append([out.atom_embedding.detach(), *(p.grad for p in fast.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True) if a is not None)


@pytest.mark.parametrize("rows", ["atom", "fragment"])
def test_equal_neighbourhoods_are_computed_once(rows: str) -> None:
    _, fast = pair("fused", True)
    once, thrice = fast.plan(batch_of(SMILES[5:6])), fast.plan(batch_of(SMILES[5:6] * 3))
    view = "atoms" if rows == "atom" else "fragments"
    assert getattr(once, view).counts() == getattr(thrice, view).counts()
    assert len(once.junction.ptr) == len(thrice.junction.ptr)


def test_bfloat16_autocast_stays_close() -> None:
    batch = batch_of(SMILES)
    plain, fast = pair("fused", "auto")
    with torch.autocast("cpu", torch.bfloat16):
        out = fast(batch).atom_embedding
    expected = plain(batch).atom_embedding
    assert (out - expected).abs().max() < 0.05 * expected.abs().max()


def test_an_unknown_dedup_is_named() -> None:
    with pytest.raises(ValueError, match="expected"):
        PharmHGTConfig(dedup="yes")


def test_fragments_of_many_atoms_are_told_apart_by_every_atom() -> None:
    """Ghost atoms make one fragment of thousands; the others must not be searched as long."""
    from pepland_model.network.states.junction import distinct_junction

    codes = [[1, 2], [2, 1], [1, 2, 3], [1] * 4000, [1] * 3999 + [2], [1], [], [1, 2], [1] * 4000]
    kinds = [5, 5, 5, 5, 5, 5, 5, 6, 5]
    home = torch.tensor([i for i, group in enumerate(codes) for _ in group])
    flat = torch.tensor([code for group in codes for code in group])
    plan = distinct_junction(flat, home, torch.tensor(kinds))
    group = plan.fragment_rows.tolist()
    assert group[0] == group[1]
    assert group[3] == group[8]
    assert len(set(group)) == 7
    assert torch.equal(plan.fragment_code[plan.fragment_rows], torch.tensor(kinds))
    assert torch.equal(plan.atom_code[plan.atom_rows], flat)
    assert torch.equal(plan.home[plan.atom_rows], plan.fragment_rows[home])


def test_more_rows_than_a_key_has_room_for_are_computed_as_they_stand(monkeypatch) -> None:
    from pepland_model.network.states import junction

    monkeypatch.setattr(junction, "LIMIT", 4)
    plan = junction.distinct_junction(
        torch.tensor([1, 4]), torch.tensor([0, 1]), torch.ones(2).int()
    )
    assert plan.fragment_rows is None
