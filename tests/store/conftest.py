"""One store in both formats, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pepland_data import BuildOptions, build, open_store
from pepland_data.builder.convert_format import convert
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import write_split
from tests.helpers.stores import PEPTIDES

COUNT = 60


@pytest.fixture(scope="session")
def formats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A store as Arrow and as Zarr, read-only: columns of many types, missing values, rejects."""
    pytest.importorskip("zarr")
    folder = tmp_path_factory.mktemp("formats")
    rows = range(COUNT)
    missing = [i % 7 == 3 for i in rows]
    table = pa.table(
        {
            "smiles": ["nonsense" if i % 13 == 5 else PEPTIDES[i % 4] for i in rows],
            "affinity": pa.array([i / 3 for i in rows], mask=np.array(missing)),
            "whole": pa.array([i - 9 for i in rows], pa.int16()),
            "flag": [None if missing[i] else i % 2 == 0 for i in rows],
            "note": [None if missing[i] else "ß" * (i % 5) for i in rows],
            "tags": [["a"] * (i % 3) for i in rows],
            "day": pa.array([i * 86_400_000 for i in rows], pa.timestamp("ms")),
            "_odd/name.x": pa.array([f"n{i}" for i in rows], pa.large_string()),
        }
    )
    pq.write_table(table, folder / "in.parquet")
    build(folder / "in.parquet", folder / "arrow", BuildOptions(rows_per_shard=8))
    store = open_store(folder / "arrow")
    write_split(store, make_split(store, seed=1))
    convert(folder / "arrow", folder / "zarr", "zarr")
    return {"arrow": folder / "arrow", "zarr": folder / "zarr"}
