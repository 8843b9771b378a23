"""A file of rows that may break a reader: the build ends, and each row is accounted for."""

import numpy as np
import pytest
from rdkit import RDLogger

from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from tests.helpers.hostile_rows import FAST_KINDS, SLOW_KINDS, csv_file, hostile_rows


def check(folder, rows, **options):
    (folder / "in.csv").write_bytes(csv_file(rows))
    report = build(folder / "in.csv", folder / "store", BuildOptions(**options))
    store = open_store(folder / "store")
    rejected = {reject["row_id"]: reject for reject in store.rejects}
    assert report.rows == len(rows)
    assert report.graphs + report.rejects == len(rows)
    kept = set(np.asarray(store.row_id).tolist())
    assert kept | set(rejected) == set(range(len(rows)))
    assert not kept & set(rejected)
    wrong = [
        (row.kind, rejected.get(number))
        for number, row in enumerate(rows)
        if row.becomes != "either" and row.becomes != ("graph" if number in kept else "reject")
    ]
    assert not wrong
    assert all(reject["stage"] and reject["reason"] for reject in rejected.values())


def test_every_fast_kind_is_accounted_for(tmp_path):
    RDLogger.DisableLog("rdApp.*")
    rows = hostile_rows(400, seed=1, slow=0)
    assert {row.kind for row in rows} == {kind for kind, *_ in FAST_KINDS} | {"good"}
    check(tmp_path, rows, rows_per_shard=90, workers=2)


@pytest.mark.slow
def test_ten_thousand_hostile_rows_are_accounted_for(tmp_path):
    rows = hostile_rows(10_000, seed=2)
    assert {kind for kind, *_ in SLOW_KINDS} <= {row.kind for row in rows}
    options = FeaturizeOptions(time_limit=5.0)
    check(tmp_path, rows, featurize=options, rows_per_shard=1000, workers=2)
