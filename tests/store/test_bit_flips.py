"""Verify finds a flipped bit anywhere, and no flipped bit ends a process."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rdkit")

from benchmarks.bench_bit_flips import CRASHED, FOUND, flips, look, make_store, table
from pepland_data.store.graph_store import open_store
from pepland_data.store.split.recorded import open_split
from pepland_data.store.verify import verify


@pytest.mark.slow
@pytest.mark.parametrize("form", ["arrow", "zarr"])
def test_five_hundred_flips_are_all_found(tmp_path: Path, form: str) -> None:
    rows = flips(make_store(tmp_path, form), 500, seed=1)
    assert {row["outcome"] & (FOUND | CRASHED) for row in rows} == {FOUND}
    kinds = table(rows)
    assert {"manifest.json", "rejects.parquet", "notes.parquet", "splits"} <= set(kinds)


def test_verify_reads_the_recorded_splits(tmp_path: Path) -> None:
    store = make_store(tmp_path, "arrow")
    whole = verify(store)
    assert whole.sound
    assert whole.files == len(open_store(store).manifest.entries()) + 2
    path = store / "splits/near.json"
    for damage in (b"[]", b"null", b"{}", b"\xff", path.read_bytes().replace(b"00", b"01", 1)):
        path.write_bytes(damage)
        (finding,) = verify(store).findings
        assert "near.json is damaged" in finding
    assert look(store) & FOUND
    assert open_split(open_store(store)).sets == ("train", "valid", "test")
