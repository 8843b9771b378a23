"""Masks by a kernel, against those by operations of torch. On a CPU the interpreter runs it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pepland_model.network.kernels import devices as kernels
from pepland_model.train.mask import (
    IGNORE,
    MODES,
    MaskOptions,
    choose,
    mask_bases,
    mask_batch_with,
    segment_of,
)
from tests.helpers.model_batches import batch_of, static_batch
from tests.helpers.pretrain_data import golden_batch

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def both(batch, options, monkeypatch, bases=None):
    """Return the masks by operations of torch and by kernels."""
    bases = mask_bases(5, 2) if bases is None else bases
    batch = batch.to(DEVICE)
    monkeypatch.setattr(kernels, "DEVICES", set())
    plain = mask_batch_with(batch, options, bases)
    monkeypatch.setattr(kernels, "DEVICES", {DEVICE})
    return plain, mask_batch_with(batch, options, bases)


def arrays(masked):
    codes = {name: getattr(masked.batch, f"{name}_code") for name in ("atom", "fragment", "bond")}
    names = ("atom_target", "fragment_masked", "fragment_code", "bond_target")
    return codes | {f"of {name}": getattr(masked, name) for name in names}


def assert_equal(plain, by_kernel):
    expected, actual = arrays(plain), arrays(by_kernel)
    for name, values in expected.items():
        assert values.dtype == actual[name].dtype, name
        assert torch.equal(values, actual[name]), name


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("others", [{}, {"mask_bonds": True}, {"mask_fragments": False}])
def test_a_batch_is_masked_alike(mode, others, monkeypatch) -> None:
    plain, by_kernel = both(batch_of([3, 17, 3, 30]), MaskOptions(mode, **others), monkeypatch)
    assert (plain.atom_target != IGNORE).any()
    assert_equal(plain, by_kernel)


@pytest.mark.parametrize("mode", list(MODES))
def test_rows_and_graphs_of_padding_are_masked_alike(mode, monkeypatch) -> None:
    batch = static_batch([4, 0, 9])
    assert len(batch.atom_code) > int(batch.atom_ptr[-1])
    assert_equal(*both(batch, MaskOptions(mode, mask_bonds=True), monkeypatch))


@pytest.mark.parametrize("rows", [[], [7]])
def test_no_graph_and_one_graph_are_masked_alike(rows, monkeypatch) -> None:
    for mode in MODES:
        assert_equal(*both(golden_batch(rows), MaskOptions(mode), monkeypatch))


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_other_rates_mask_alike(rate, monkeypatch) -> None:
    options = MaskOptions("pep", atom_rate=rate, fragment_rate=rate)
    assert_equal(*both(batch_of([1, 2, 29]), options, monkeypatch))


def test_bases_on_the_device_mask_as_bases_of_the_host(monkeypatch) -> None:
    batch, options = batch_of([3, 8]), MaskOptions()
    for epoch in (0, 1):
        bases = mask_bases(11, epoch)
        here, _ = both(batch, options, monkeypatch, bases)
        on_device = torch.tensor(bases, device=DEVICE)
        assert_equal(here, both(batch, options, monkeypatch, on_device)[1])


def long_graphs(sizes):
    """Return a batch whose graphs have these numbers of atoms, all of the first fragment."""
    batch = golden_batch([0] * len(sizes))
    ptr = torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)]))
    atoms = int(ptr[-1])
    code = torch.arange(atoms, dtype=torch.int32) % 5 + 1
    return replace(
        batch,
        atom_ptr=ptr,
        atom_code=code,
        atom_fragment=torch.zeros(atoms, dtype=torch.int32),
        graph_index=torch.arange(len(sizes)) * 1000,
    )


def test_graphs_longer_than_a_block_are_masked_alike(monkeypatch) -> None:
    batch = long_graphs([255, 0, 256, 257, 1, 1500])
    plain, by_kernel = both(batch, MaskOptions("atom"), monkeypatch)
    assert int((plain.atom_target != IGNORE).sum()) == 205 + 205 + 206 + 1 + 1201
    assert_equal(plain, by_kernel)


@pytest.mark.parametrize("bits", [2, 6])
def test_of_equal_keys_the_first_ones_are_taken(bits, monkeypatch) -> None:
    monkeypatch.setattr("pepland_model.train.mask._KEY_BITS", bits)
    batch = long_graphs([40, 700, 3])
    plain, by_kernel = both(batch, MaskOptions("atom"), monkeypatch)
    assert_equal(plain, by_kernel)
    keys = torch.zeros(len(batch.atom_code), dtype=torch.int64)
    of_atom = segment_of(batch.atom_ptr, len(keys))
    first = choose(batch.atom_ptr, of_atom, torch.ones_like(keys, dtype=torch.bool), keys, 0.8)
    assert not torch.equal(first, (plain.atom_target != IGNORE).cpu())
