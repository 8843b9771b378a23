"""A build gives the same bytes in any company: workers, kills, parts, formats, environments."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from pepland_data.builder.convert_format import convert
from pepland_data.builder.local_build import BuildReport
from pepland_data.builder.merge import merge
from pepland_data.inputs.part import Part
from tests.helpers.commands import PROGRAM, wait_for
from tests.helpers.stores import files_of
from tests.helpers.ugly_corpus import SLOW, TIME_LIMIT, write_ugly

ROWS = 45
FLAGS = ["--rows-per-shard", str(ROWS), "--time-limit", str(TIME_LIMIT), "--workers", "2",
         "--input-format", "auto", "--standardize"]  # fmt: skip
"""What `options` says, and two workers, for a command."""
PARTS = 3


def options(dedup: bool, **more: Any) -> BuildOptions:
    featurize = FeaturizeOptions(
        input_format="auto", standardize=True, dedup=dedup, time_limit=TIME_LIMIT
    )
    return BuildOptions(featurize, **{"rows_per_shard": ROWS, **more})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ugly(tmp_path_factory.mktemp("ugly") / "\u00efn.csv")


with_dedup_too = pytest.mark.parametrize(
    "dedup", [False, True], ids=["all", "dedup"], indirect=True, scope="module"
)
without_dedup = pytest.mark.parametrize("dedup", [False], indirect=True, scope="module")


@pytest.fixture(scope="module")
def dedup(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def report(source: Path, dedup: bool) -> BuildReport:
    return build(source, source.parent / f"whole-{dedup}", options(dedup))


@pytest.fixture(scope="module")
def whole(report: BuildReport) -> Path:
    return Path(report.path)


def said(report: BuildReport) -> tuple[Any, ...]:
    return report.rows, report.graphs, report.rejects, report.reasons, report.notes, report.bytes


def content(folder: Path) -> dict[str, Any]:
    """Return what a store holds, without the borders of its shards and the codes of its tables."""
    import pyarrow.parquet as pq

    store = open_store(folder)
    words = ("rejects", "notes")
    tables = {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in words}
    columns = {name: store.columns[name].tolist() for name in store.columns}
    return {
        "graphs": list(store),
        "texts": list(store.smiles),
        "rows": store.row_id.tolist(),
        "columns": columns,
        **tables,
    }


@with_dedup_too
def test_the_corpus_says_all_that_it_should(whole: Path, dedup: bool) -> None:
    store = open_store(whole)
    reasons = {(reject["stage"], reject["text"]) for reject in store.rejects}
    assert ("timeout", SLOW) in reasons
    stages = {stage for stage, _ in reasons}
    assert {"parse", "features", "timeout"} <= stages
    assert ("duplicate" in stages) == dedup
    kinds = {note["kind"] for note in content(whole)["notes"]}
    assert kinds == {"changed", "warning"}


@with_dedup_too
def test_workers_change_nothing(
    tmp_path: Path, source: Path, dedup: bool, whole: Path, report: BuildReport
) -> None:
    for workers in (3,) if dedup else (2, 3):
        out = tmp_path / str(workers)
        again = build(source, out, options(dedup, workers=workers))
        assert files_of(out) == files_of(whole)
        assert said(again) == said(report)


@with_dedup_too
def test_a_killed_build_is_resumed_to_the_same_bytes(
    tmp_path: Path, source: Path, dedup: bool, whole: Path, report: BuildReport
) -> None:
    out = tmp_path / "out"
    command = [*PROGRAM, "build", str(source), "--out", str(out), *FLAGS, *["--dedup"] * dedup]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: list(out.glob(".build/*/done.json")))
        process.kill()
    assert process.returncode == -9
    again = build(source, out, options(dedup))
    assert again.resumed_shards > 0
    assert files_of(out) == files_of(whole)
    assert said(again) == said(report)


@without_dedup
@pytest.mark.parametrize("rows", [11, 1000])
def test_the_size_of_shards_changes_no_content(
    tmp_path: Path, source: Path, dedup: bool, whole: Path, rows: int
) -> None:
    build(source, tmp_path / "out", options(dedup, rows_per_shard=rows, workers=2))
    assert content(tmp_path / "out") == content(whole)


@without_dedup
def test_formats_have_one_content(tmp_path: Path, source: Path, dedup: bool, whole: Path) -> None:
    build(source, tmp_path / "zarr", options(dedup, format="zarr", workers=2))
    convert(whole, tmp_path / "converted", "zarr")
    assert files_of(tmp_path / "zarr") == files_of(tmp_path / "converted")
    assert content(tmp_path / "zarr") == content(whole)
    convert(tmp_path / "zarr", tmp_path / "back", "arrow")
    assert files_of(tmp_path / "back") == files_of(whole)


@without_dedup
def test_merged_parts_are_one_build(tmp_path: Path, source: Path, dedup: bool, whole: Path) -> None:
    parts = [tmp_path / f"p{n}" for n in range(PARTS)]
    for n, part in enumerate(parts):
        build(source, part, options(dedup, part=Part(n + 1, PARTS)))
    merge(parts[::-1], tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(whole)


@without_dedup
def test_the_environment_changes_no_byte(
    tmp_path: Path, source: Path, dedup: bool, whole: Path
) -> None:
    """Every variable that RDKit, Python, Zarr or the C library reads, all at once."""
    odd = {
        "RDK_USE_LEGACY_STEREO_PERCEPTION": "0", "RDK_USE_LEGACY_RING_FINDING": "1",
        "RDK_ENABLE_NONTETRAHEDRAL_STEREO": "0", "RDBASE": str(tmp_path), "PYTHONHASHSEED": "7",
        "TZ": "Asia/Kathmandu", "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0",
        "PYTHONOPTIMIZE": "2", "ZARR_ARRAY__ORDER": "F",
    }  # fmt: skip
    flags = [*FLAGS, "--json", "--max-reject-frac", "1"]
    command = [*PROGRAM, "build", str(source), "--out", str(tmp_path / "out"), *flags]
    done = subprocess.run(command, env={**os.environ, **odd}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    assert files_of(tmp_path / "out") == files_of(whole)
    assert json.loads(done.stdout)["rejects"] == len(open_store(whole).rejects)
