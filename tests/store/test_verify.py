"""Faults under correct checksums: impossible numbers, and graphs that differ from their texts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pepland_data import open_store
from pepland_data.chem import featurizer
from pepland_data.errors import InvalidMoleculeError
from pepland_data.graph.columns import GraphColumns
from pepland_data.store.arrow_arrays import texts
from pepland_data.store.arrow_shards import ShardData, read_arrow_shard, write_arrow_shard
from pepland_data.store.featurize_again import semantic_faults
from pepland_data.store.manifest import FileEntry, read_manifest, write_manifest
from pepland_data.store.verify import verify
from tests.helpers.stores import built_store

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of fifteen graphs and one reject, read-only."""
    path = built_store(tmp_path_factory.mktemp("sound"), "store", range(16))
    assert verify(path).sound
    return path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "store"))


def faults_after(store: Path, change: Change, shard: int = 1) -> tuple[str, ...]:
    """Write a shard with changed numbers and a manifest that agrees; return the faults found."""
    manifest = read_manifest(store)
    entry = manifest.shards[shard]
    data = read_arrow_shard(store / entry.file)
    arrays = {name: np.array(values) for name, values in vars(data.columns).items()}
    arrays["row_id"] = np.array(data.row_id)
    change(arrays)
    row_id = arrays.pop("row_id")
    kept = {name: values.take(np.arange(len(row_id))) for name, values in data.extra.items()}
    new = ShardData(GraphColumns(**arrays), row_id, texts(data.smiles.to_pylist()), kept)
    write_arrow_shard(store / entry.file, new, manifest.dtypes)
    shards = list(manifest.shards)
    shards[shard] = FileEntry.of(store, entry.file, entry.rows)
    write_manifest(store, replace(manifest, shards=tuple(shards)))
    return verify(store).findings


def put(name: str, position: int, value: int) -> Change:
    return lambda arrays: arrays[name].__setitem__(position, value)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (put("row_id", 0, 0), "row numbers are not in ascending order"),
        (put("row_id", -1, 10**6), "a row number is outside"),
        (put("row_id", 0, -1), "a row number is outside"),
        (put("atom_code", 3, 0), "atom_code contains the mask row"),
        (put("fragment_code", 0, 0), "fragment_code contains the mask row"),
        (lambda a: put("bond_end", 0, a["bond_begin"][0])(a), "a bond connects an atom to itself"),
        (put("atom_code", 0, 250), "cannot be read"),
        (put("bond_end", 0, 250), "cannot be read"),
        (put("reaction_end", 0, 250), "cannot be read"),
    ],
)
def test_impossible_numbers_are_found(store: Path, change: Change, fault: str) -> None:
    faults = faults_after(store, change)
    assert any(fault in one for one in faults), faults


def test_a_row_that_is_a_graph_and_a_reject_is_found(store: Path) -> None:
    opened = open_store(store)
    (reject,) = [r["row_id"] for r in opened.rejects]
    shard = next(s for s in range(opened.num_shards) if opened.shard(s).row_id[-1] > reject - 3)
    position = int(np.searchsorted(opened.shard(shard).row_id, reject)) - 1
    faults = faults_after(store, put("row_id", position, reject), shard)
    assert any("also among the rejects" in one for one in faults), faults


def test_graphs_of_a_sound_store_equal_those_of_their_texts(sound: Path) -> None:
    store = open_store(sound)
    assert semantic_faults(store, 5) == (5, [])
    assert semantic_faults(store, 500) == (15, [])


def test_a_graph_that_differs_from_its_text_is_named(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(sound)
    other = featurizer.featurize("NCC(=O)O")
    monkeypatch.setattr(featurizer.Featurizer, "featurize", lambda self, text: other)
    assert len(semantic_faults(store, 3)[1]) == 3

    def refuse(self: object, text: str) -> None:
        raise InvalidMoleculeError(text, "parse", "gone")

    monkeypatch.setattr(featurizer.Featurizer, "featurize", refuse)
    assert "no longer becomes a graph" in semantic_faults(store, 1)[1][0]
