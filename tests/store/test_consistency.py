"""Damage under checksums that fit: numbers that cannot be together are found without RDKit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pepland_data.graph.columns import GraphColumns
from pepland_data.store.arrow_arrays import texts
from pepland_data.store.arrow_shards import ShardData, read_arrow_shard, write_arrow_shard
from pepland_data.store.manifest import FileEntry, read_manifest, write_manifest
from pepland_data.store.verify import verify
from tests.helpers.stores import built_store

Change = Callable[[dict[str, Any]], Any]


def changed(store: Path, change: Change, shard: int = 1) -> tuple[str, ...]:
    """Write a shard with other numbers and a manifest that agrees; return what is found."""
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


def put(name: str, place: int, value: int) -> Change:
    return lambda arrays: arrays[name].__setitem__(place, value)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (put("row_id", 0, 0), "rows are not in order"),
        (put("row_id", -1, 10**6), "a row number is outside"),
        (put("row_id", 0, -1), "a row number is outside"),
        (put("atom_code", 3, 0), "atom_code names the mask row"),
        (put("fragment_code", 0, 0), "fragment_code names the mask row"),
        (lambda a: put("bond_end", 0, a["bond_begin"][0])(a), "a bond begins where it ends"),
        (put("atom_code", 0, 250), "cannot be read"),
        (put("bond_end", 0, 250), "cannot be read"),
        (put("reaction_end", 0, 250), "cannot be read"),
    ],
)
def test_what_cannot_be_is_found(tmp_path: Path, change: Change, found: str) -> None:
    store = built_store(tmp_path, "store", range(16))
    assert verify(store).sound
    findings = changed(store, change)
    assert any(found in one for one in findings), findings


def test_a_row_that_is_a_graph_and_a_reject_is_found(tmp_path: Path) -> None:
    store = built_store(tmp_path, "store", range(16))
    from pepland_data import open_store

    opened = open_store(store)
    (reject,) = [r["row_id"] for r in opened.rejects]
    shard = next(s for s in range(opened.num_shards) if opened.shard(s).row_id[-1] > reject - 3)
    place = int(np.searchsorted(opened.shard(shard).row_id, reject)) - 1
    findings = changed(store, put("row_id", place, reject), shard)
    assert any("among the rejects too" in one for one in findings), findings
