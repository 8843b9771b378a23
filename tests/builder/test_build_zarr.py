"""``build --format zarr`` gives the bytes of a converted store, also after an interrupt."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pepland_data import BuildOptions, build, open_store
from pepland_data.builder.convert_format import convert
from pepland_data.builder.merge import merge
from pepland_data.errors import BuildError, InputError, MissingDependencyError
from tests.helpers.commands import cli
from tests.helpers.stores import files_of, write_csv

pytest.importorskip("zarr")


def test_it_has_the_bytes_of_a_converted_arrow_store_for_any_workers(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", 60, (7,))
    build(source, tmp_path / "arrow", BuildOptions(rows_per_shard=8))
    convert(tmp_path / "arrow", tmp_path / "zarr", "zarr")
    for workers in (1, 2):
        options = BuildOptions(rows_per_shard=8, workers=workers, format="zarr")
        report = build(source, tmp_path / f"built{workers}", options)
        assert report.graphs == 59
        assert files_of(tmp_path / f"built{workers}") == files_of(tmp_path / "zarr")
    assert build(source, tmp_path / "built1", options).nothing_to_do


def test_a_build_interrupted_at_a_write_is_resumed_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pepland_data.builder import write_zarr as zarr_write

    source, options = write_csv(tmp_path / "in.csv", 12), BuildOptions(format="zarr")
    build(source, tmp_path / "whole", options)
    plain = zarr_write.write_atomic_bytes
    for stop in range(0, 60, 12):
        left = [stop]

        def write(path: Path, data: bytes, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            plain(path, data)

        monkeypatch.setattr(zarr_write, "write_atomic_bytes", write)
        with pytest.raises(KeyboardInterrupt):
            build(source, tmp_path / "out", options)
    monkeypatch.undo()
    build(source, tmp_path / "out", options)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_another_format_is_another_recipe(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", 8)
    build(source, tmp_path / "out")
    with pytest.raises(BuildError, match="format was 'arrow', now 'zarr'"):
        build(source, tmp_path / "out", BuildOptions(format="zarr"))
    with pytest.raises(InputError, match="arrow or zarr"):
        BuildOptions(format="hdf5")


def test_without_zarr_no_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        build(write_csv(tmp_path / "in.csv"), tmp_path / "out", BuildOptions(format="zarr"))
    assert not (tmp_path / "out").exists()


def test_zarr_stores_merge_to_arrow_and_append_names_convert(tmp_path: Path) -> None:
    options = BuildOptions(rows_per_shard=8, format="zarr")
    for name in ("a", "b"):
        build(write_csv(tmp_path / f"{name}.csv", 20), tmp_path / name, options)
        convert(tmp_path / name, tmp_path / f"{name}.arrow", "arrow")
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "merged")
    merge([tmp_path / "a.arrow", tmp_path / "b.arrow"], tmp_path / "expected")
    assert files_of(tmp_path / "merged") == files_of(tmp_path / "expected")
    assert open_store(tmp_path / "merged").manifest.kind == "arrow"
    before = files_of(tmp_path / "a")
    done = cli("build", str(tmp_path / "b.csv"), "--append", "--out", str(tmp_path / "a"))
    assert done.returncode == 1
    assert b"convert" in done.stderr
    assert files_of(tmp_path / "a") == before


@pytest.mark.parametrize("command", ["export --to parquet", "split --by random", "vocab"])
def test_other_commands_read_it(tmp_path: Path, command: str) -> None:
    options = BuildOptions(rows_per_shard=8, format="zarr")
    build(write_csv(tmp_path / "in.csv", 20), tmp_path / "a", options)
    name, *more = command.split()
    more += ["--out", str(tmp_path / "out")] if name == "export" else []
    done = cli(name, str(tmp_path / "a"), *more)
    assert done.returncode == 0, done.stderr
