"""The loader decodes a Zarr store into memory; its batches are those of the Arrow store."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from pepland_data import GraphDataset, GraphLoader, open_store
from pepland_data.builder.convert_format import convert
from pepland_data.errors import InputError
from pepland_data.loader.tiers.choice import choose_tier
from tests.helpers.commands import cli
from tests.helpers.loader_checks import same

pytest.importorskip("zarr")


@pytest.fixture(scope="module")
def zarr_store(small_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zarr") / "store"
    convert(small_store.path, folder, "zarr")
    return open_store(folder)


@pytest.mark.parametrize("tier", ["auto", "host", "device"])
def test_batches_are_those_of_the_arrow_store(small_store, zarr_store, tier) -> None:
    mapped = GraphLoader(small_store, batch_size=7, seed=3, tier="mmap")
    decoded = GraphLoader(zarr_store, batch_size=7, seed=3, tier=tier)
    for batch, expected in zip(decoded, mapped, strict=True):
        assert same(batch, expected)


def test_a_mixture_of_formats_is_one_corpus(small_store, zarr_store, other_store) -> None:
    mapped = GraphLoader([small_store, other_store], batch_size=9, tier="mmap")
    mixed = GraphLoader([zarr_store, other_store], batch_size=9)
    for batch, expected in zip(mixed, mapped, strict=True):
        assert same(batch, expected)


def test_a_dataset_of_a_zarr_store_survives_pickling(small_store, zarr_store) -> None:
    rows = np.arange(3, 9)
    data = pickle.loads(pickle.dumps(GraphDataset(zarr_store, subset=rows)))
    assert [data[i] for i in range(len(data))] == [small_store[int(row)] for row in rows]
    assert same(data.__getitems__([1, 4]), GraphDataset(small_store, rows).__getitems__([1, 4]))


def test_a_zarr_store_is_never_mapped_and_the_reason_says_so(zarr_store) -> None:
    with pytest.raises(InputError, match=r"cannot be mapped; .*convert"):
        GraphLoader(zarr_store, tier="mmap")
    need = choose_tier([zarr_store], "auto", None, 2**40).need_bytes
    assert "Zarr is decoded" in choose_tier([zarr_store], "auto", None, 2**40).reason
    tight = choose_tier([zarr_store], "auto", None, need + 1)
    assert tight.tier == "host"
    assert "less than the reserve" in tight.reason
    with pytest.raises(InputError, match=r"do not fit into .*convert"):
        choose_tier([zarr_store], "auto", None, need - 1)


def test_tier_shows_that_zarr_is_not_mapped(zarr_store) -> None:
    done = cli("tier", str(zarr_store.path), "--host-memory", "10GiB")
    assert done.returncode == 0
    assert b"not for Zarr" in done.stdout
