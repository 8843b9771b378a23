"""Masks: which and how many, and that they depend on seed, epoch and graph alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data.errors import InputError
from pepland_model.train.mask import (
    IGNORE,
    MODES,
    MaskOptions,
    choose,
    mask_batch,
    mix,
    mix_int,
    segment_of,
)
from tests.helpers.pretrain_data import golden_batch


def masked_atoms(masked) -> np.ndarray:
    return (masked.batch.atom_code != golden_batch().atom_code).numpy()


def per_graph(values: np.ndarray, ptr: torch.Tensor) -> list[np.ndarray]:
    return np.split(values, ptr[1:-1].numpy())


def plain_candidates(batch, mode: str) -> np.ndarray:
    if mode == "atom":
        return np.ones(len(batch.atom_code), bool)
    smiles = np.array(batch.tables.host.fragment_smiles)
    return (smiles[batch.fragment_code.numpy()] != "NC=O")[batch.atom_fragment.numpy()]


@pytest.mark.parametrize("mode", ["pep", "atom"])
def test_each_graph_masks_the_published_number_of_candidate_atoms(mode: str) -> None:
    batch = golden_batch()
    masked = mask_batch(batch, MaskOptions(mode), seed=3, epoch=1)
    hidden = (masked.atom_target != IGNORE).numpy()
    candidates = plain_candidates(batch, mode)
    assert not (hidden & ~candidates).any()
    pairs = zip(
        per_graph(hidden, batch.atom_ptr), per_graph(candidates, batch.atom_ptr), strict=True
    )
    for chosen, possible in pairs:
        n = int(possible.sum())
        assert chosen.sum() == min(n, int(0.8 * n + 1))


def test_residue_mode_masks_whole_pieces_and_the_published_number_of_them() -> None:
    batch = golden_batch()
    masked = mask_batch(batch, MaskOptions("residue"), seed=0, epoch=0)
    hidden = (masked.atom_target != IGNORE).numpy()
    residue = batch.fragment_residue[batch.atom_fragment.long()].numpy()
    pairs = zip(per_graph(hidden, batch.atom_ptr), per_graph(residue, batch.atom_ptr), strict=True)
    for chosen, pieces in pairs:
        whole = [chosen[pieces == piece] for piece in np.unique(pieces)]
        assert all(part.all() or not part.any() for part in whole)
        n = len(whole)
        assert sum(part.all() for part in whole) == min(n, int(0.3 * n + 1))


def test_fragments_are_masked_by_default_and_their_labels_come_from_the_codes_before() -> None:
    batch = golden_batch()
    masked = mask_batch(batch, MaskOptions(), seed=0, epoch=0)
    for chosen in per_graph(masked.fragment_masked.numpy(), batch.fragment_ptr):
        assert chosen.sum() == min(len(chosen), int(0.8 * len(chosen) + 1))
    labels = torch.arange(len(batch.tables.fragment_x))
    target = masked.fragment_target(labels)
    assert torch.equal(target != IGNORE, masked.fragment_masked)
    assert torch.equal(target[masked.fragment_masked], batch.fragment_code[target != IGNORE].long())
    assert (masked.batch.fragment_code[masked.fragment_masked] == 0).all()


@pytest.mark.parametrize("mode", list(MODES))
def test_masks_do_not_depend_on_the_rest_of_the_batch(mode: str) -> None:
    options = MaskOptions(mode, mask_bonds=True)
    everyone = mask_batch(golden_batch(), options, seed=5, epoch=2)
    rows = [30, 2, 17, 2, 9]
    some = mask_batch(golden_batch(rows), options, seed=5, epoch=2)
    for name, ptr_name in (("atom_target", "atom_ptr"), ("bond_target", "bond_ptr")):
        ptr = getattr(golden_batch(), ptr_name)
        whole = [getattr(everyone, name)[ptr[r] : ptr[r + 1]] for r in rows]
        assert torch.equal(torch.cat(whole), getattr(some, name))


def test_seed_and_epoch_change_the_masks() -> None:
    batch = golden_batch()
    targets = [
        mask_batch(batch, MaskOptions(), seed, epoch).atom_target
        for seed, epoch in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    for i, first in enumerate(targets):
        assert all(not torch.equal(first, other) for other in targets[i + 1 :])


def test_every_candidate_is_chosen_at_the_masking_rate_over_many_epochs() -> None:
    batch = golden_batch()
    hits = torch.zeros(len(batch.atom_code))
    for epoch in range(400):
        hits += (mask_batch(batch, MaskOptions("atom"), 0, epoch).atom_target != IGNORE).float()
    sizes = batch.atom_ptr.diff()
    expected = torch.minimum(sizes, (0.8 * sizes + 1).long()) / sizes
    rate = hits / 400
    error = rate - expected[segment_of(batch.atom_ptr, len(rate))]
    assert error.abs().max() < 0.13  # six standard deviations of a binomial of 400
    assert error.mean().abs() < 1e-6


def test_masked_bonds_touch_a_masked_atom_and_lose_their_code_in_both_directions() -> None:
    batch = golden_batch()
    masked = mask_batch(batch, MaskOptions(mask_bonds=True), 0, 0)
    hidden = masked.atom_target != IGNORE
    touched = hidden[batch.bond_begin.long()] | hidden[batch.bond_end.long()]
    assert torch.equal(masked.bond_target != IGNORE, touched)
    assert (masked.batch.bond_code[touched] == 0).all()
    assert torch.equal(masked.batch.bond_code[~touched], batch.bond_code[~touched])
    rows = batch.tables.bond_x[batch.bond_code.long()]
    kind = rows[touched][torch.arange(int(touched.sum())), 1 + masked.bond_target[touched]]
    assert (kind == 1).all()


def test_without_bond_masking_no_bond_changes() -> None:
    batch = golden_batch()
    masked = mask_batch(batch, MaskOptions(), 0, 0)
    assert masked.batch.bond_code is not batch.atom_code
    assert torch.equal(masked.batch.bond_code, batch.bond_code)
    assert (masked.bond_target == IGNORE).all()


def test_a_graph_without_candidates_masks_nothing() -> None:
    batch = golden_batch([0, 1])
    amide = batch.tables.host.fragment_smiles.index("NC=O")
    only_amides = replace(batch, fragment_code=torch.full_like(batch.fragment_code, amide))
    masked = mask_batch(only_amides, MaskOptions("pep"), 0, 0)
    assert (masked.atom_target == IGNORE).all()


def test_padding_is_never_masked() -> None:
    batch = golden_batch([4, 5, 6])
    atoms, fragments = len(batch.atom_code), len(batch.fragment_code)

    def pad(values: torch.Tensor, fill: int) -> torch.Tensor:
        return torch.cat([values, values.new_full((7,), fill)])

    padded = replace(
        batch,
        atom_code=pad(batch.atom_code, 0),
        atom_fragment=pad(batch.atom_fragment, fragments + 6),
        fragment_code=pad(batch.fragment_code, 0),
        fragment_residue=pad(batch.fragment_residue, 0),
        bond_begin=pad(batch.bond_begin, atoms + 6),
        bond_end=pad(batch.bond_end, atoms + 6),
        bond_code=pad(batch.bond_code, 0),
    )
    for mode in MODES:
        options = MaskOptions(mode, mask_bonds=True)
        plain, masked = mask_batch(batch, options, 1, 1), mask_batch(padded, options, 1, 1)
        for name in ("atom_target", "fragment_masked", "bond_target"):
            real = getattr(plain, name)
            assert torch.equal(getattr(masked, name)[: len(real)], real)
            assert not (getattr(masked, name)[len(real) :] > 0).any()


def test_an_empty_batch_is_masked_to_an_empty_batch() -> None:
    for mode in MODES:
        masked = mask_batch(golden_batch([]), MaskOptions(mode), 0, 0)
        assert len(masked.atom_target) == 0


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    rate=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_choose_takes_the_smallest_keys_of_each_segment(sizes, rate, seed) -> None:
    rng = np.random.default_rng(seed)
    ptr = torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)]))
    rows = int(ptr[-1])
    key = torch.from_numpy(rng.permutation(rows).astype(np.int64))
    candidate = torch.from_numpy(rng.random(rows) < 0.7)
    taken = choose(ptr, segment_of(ptr, rows), candidate, key, rate)
    for start, stop in pairwise(ptr):
        possible = [i for i in range(int(start), int(stop)) if candidate[i]]
        k = min(len(possible), int(rate * len(possible) + 1))
        expected = sorted(possible, key=lambda i: int(key[i]))[:k]
        assert set(expected) == {i for i in range(int(start), int(stop)) if taken[i]}


def test_the_hash_of_tensors_is_the_hash_of_integers() -> None:
    values = [0, 1, -1, 2**62, -(2**63), 123456789]
    assert mix(torch.tensor(values)).tolist() == [mix_int(v) for v in values]


@pytest.mark.cuda
def test_masks_are_the_same_on_the_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    batch = golden_batch()
    for mode in MODES:
        here = mask_batch(batch, MaskOptions(mode, mask_bonds=True), 7, 3)
        there = mask_batch(batch.to("cuda"), MaskOptions(mode, mask_bonds=True), 7, 3)
        assert torch.equal(here.atom_target, there.atom_target.cpu())
        assert torch.equal(here.fragment_masked, there.fragment_masked.cpu())
        assert torch.equal(here.bond_target, there.bond_target.cpu())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mode": "peptide"}, "peptide"),
        ({"atom_rate": 1.5}, "1.5"),
        ({"fragment_rate": -1.0}, "-1"),
    ],
)
def test_wrong_options_are_refused_by_name(arguments, words) -> None:
    with pytest.raises(InputError, match=words):
        MaskOptions(**arguments)
