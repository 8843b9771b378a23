"""``build --add helm``: a column with the residues of each molecule, recorded with the options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from pepland_data.builder.append import append
from pepland_data.builder.convert_format import convert
from pepland_data.builder.merge import merge
from pepland_data.errors import BuildError, InputError
from pepland_data.inputs.part import Part
from pepland_data.store.verify import verify
from tests.helpers.commands import cli
from tests.helpers.stores import files_of

ROWS = {
    "NCC(=O)N[C@@H](C)C(=O)O": "PEPTIDE1{G.A}$$$$",
    "ACDK": "PEPTIDE1{A.C.D.K}$$$$",
    "CCCCO": None,
    "PEPTIDE1{A.[Cha].[am]}$$$$": "PEPTIDE1{A.[Cha].[am]}$$$$",
    "O=C1CNC(=O)[C@@H]2CCCN12": "PEPTIDE1{G.P}$PEPTIDE1,PEPTIDE1,2:R2-1:R1$$$",
    "PEPTIDE1{[dK].G}$$$$": "PEPTIDE1{[dK].G}$$$$",
}
"""Text -> its value in the column."""


def write(path: Path, rows: list[str], column: str = "name") -> Path:
    lines = [f'"{text}",{i}\n' for i, text in enumerate(rows)]
    path.write_text(f"peptide_text,{column}\n" + "".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "in.csv", [*ROWS, "broken(", *ROWS])


def options(add: tuple[str, ...] = ("helm",), **others: Any) -> BuildOptions:
    featurize = FeaturizeOptions(input_format="auto", add=add)
    return BuildOptions(featurize, "peptide_text", **{"rows_per_shard": 4, **others})


def values(path: Path) -> list[str | None]:
    store = open_store(path)
    return [v for s in range(store.num_shards) for v in store.shard(s).extra["helm"].to_pylist()]


def test_each_row_has_its_helm_or_null(tmp_path: Path, source: Path) -> None:
    build(source, tmp_path / "store", options())
    store = open_store(tmp_path / "store")
    assert values(tmp_path / "store") == [*ROWS.values(), *ROWS.values()]
    assert store.manifest.options["add"] == ["helm"]
    assert store.manifest.columns == ("name", "helm")
    assert verify(tmp_path / "store", semantic=True).sound


def test_a_store_without_the_option_has_the_same_graphs_and_no_trace_of_it(
    tmp_path: Path, source: Path
) -> None:
    build(source, tmp_path / "with", options())
    build(source, tmp_path / "without", options(()))
    one, two = open_store(tmp_path / "with"), open_store(tmp_path / "without")
    assert [one[i] for i in range(len(one))] == [two[i] for i in range(len(two))]
    assert "helm" not in (tmp_path / "without" / "manifest.json").read_text(encoding="utf-8")
    files, others = (files_of(tmp_path / name) for name in ("with", "without"))
    assert files.keys() == others.keys()
    different = {name for name in files if files[name] != others[name]}
    assert different == {name for name in files if "shard" in name or name == "manifest.json"}


def test_workers_parts_and_formats_change_nothing(tmp_path: Path, source: Path) -> None:
    build(source, tmp_path / "one", options())
    build(source, tmp_path / "two", options(workers=2))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    parts = [tmp_path / f"part-{k}" for k in (1, 2)]
    for k, part in enumerate(parts, 1):
        build(source, part, options(part=Part(k, 2)))
    merge(parts, tmp_path / "joined")
    assert values(tmp_path / "joined") == values(tmp_path / "one")
    convert(tmp_path / "one", tmp_path / "zarr", "zarr")
    assert values(tmp_path / "zarr") == values(tmp_path / "one")


@pytest.mark.parametrize("form", ["arrow", "zarr"])
def test_a_column_of_nulls_is_text(tmp_path: Path, form: str) -> None:
    source = write(tmp_path / "in.csv", ["CCCCO", "CCCCN"])
    build(source, tmp_path / "store", options(format=form))
    assert str(open_store(tmp_path / "store").column_types()["helm"]) == "large_string"
    assert values(tmp_path / "store") == [None, None]


def test_appended_rows_get_their_helm_and_another_option_is_refused(
    tmp_path: Path, source: Path
) -> None:
    build(source, tmp_path / "store", options())
    more = write(tmp_path / "more.csv", ["AAA"])
    append(more, tmp_path / "store", given={"smiles_column": "peptide_text"})
    assert values(tmp_path / "store")[-1] == "PEPTIDE1{A.A.A}$$$$"
    build(source, tmp_path / "plain", options(()))
    with pytest.raises(BuildError, match="add"):
        append(more, tmp_path / "plain", given={"add": ["helm"]})


def test_a_build_is_resumed_with_the_same_option_only(tmp_path: Path, source: Path) -> None:
    build(source, tmp_path / "store", options())
    with pytest.raises(BuildError, match=r"add was \['helm'\], now None"):
        build(source, tmp_path / "store", options(()))
    assert build(source, tmp_path / "store", options()).nothing_to_do


def test_a_column_of_that_name_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", ["AAA"], column="helm")
    with pytest.raises(InputError, match=r"has a column 'helm'.*leave out --add helm"):
        build(source, tmp_path / "store", options())
    assert not (tmp_path / "store").exists()
    with pytest.raises(InputError, match="expected one of helm, descriptors"):
        FeaturizeOptions(add=("formula",))


def test_the_command_adds_the_column(tmp_path: Path, source: Path) -> None:
    out = str(tmp_path / "store")
    arguments = ["build", str(source), "--out", out, "--smiles-column", "peptide_text"]
    done = cli(*arguments, "--input-format", "auto", "--workers", "1", "--add", "helm")
    assert done.returncode == 0, done.stderr
    assert values(tmp_path / "store") == [*ROWS.values(), *ROWS.values()]
    more = write(tmp_path / "more.csv", ["AAA"])
    arguments = ["build", str(more), "--out", out, "--append", "--smiles-column", "peptide_text"]
    done = cli(*arguments, "--workers", "1", "--add", "helm")
    assert done.returncode == 0, done.stderr
