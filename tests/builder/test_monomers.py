"""Builds with a monomer library: manifest, resume, append, merge, verify and every engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from pepland_data.builder.merge import merge
from pepland_data.builder.workers.isolation import IsolatedFeaturizer
from pepland_data.chem.monomers.given_files import given_monomers
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import file_sha256
from pepland_data.store.split.make import make_split
from pepland_data.store.verify import verify
from tests.helpers.commands import cli
from tests.helpers.monomer_files import MOLECULES, write_library
from tests.helpers.stores import files_of

HELM = [*MOLECULES, "PEPTIDE1{A.G}$$$$", "PEPTIDE1{A.[Unknown]}$$$$"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("helm\n" + "".join(f'"{text}"\n' for text in HELM * 4))
    return path


def options(library: Path | None, **others: object) -> BuildOptions:
    given = given_monomers([library] if library else [])
    featurize = FeaturizeOptions(input_format="helm", monomers=given)
    return BuildOptions(featurize, rows_per_shard=5, **others)  # type: ignore[arg-type]


def test_a_store_records_name_and_checksum_only_if_a_library_was_given(
    tmp_path: Path, source: Path
) -> None:
    library = write_library(tmp_path / "lib.csv")
    build(source, tmp_path / "with", options(library))
    build(source, tmp_path / "without", options(None))
    recorded = open_store(tmp_path / "with").manifest.options
    assert recorded["monomers"] == [{"name": "lib.csv", "sha256": file_sha256(library)}]
    assert "monomers" not in open_store(tmp_path / "without").manifest.options
    assert len(open_store(tmp_path / "with")) == 16
    assert len(open_store(tmp_path / "without")) == 4


def test_two_workers_write_the_bytes_of_one(tmp_path: Path, source: Path) -> None:
    library = write_library(tmp_path / "lib.xml")
    build(source, tmp_path / "one", options(library))
    build(source, tmp_path / "two", options(library, workers=2))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_store_is_verified_and_split_with_its_library_only(tmp_path: Path, source: Path) -> None:
    library, other = write_library(tmp_path / "lib.csv"), write_library(tmp_path / "other.json")
    store = tmp_path / "store"
    build(source, store, options(library))
    assert verify(store).sound
    given = given_monomers([library])
    report = verify(store, 16, monomers=given)
    assert (report.recomputed, report.sound) == (16, True)
    assert len(make_split(open_store(store), "scaffold", monomers=given).assignment) == 16
    for wrong in (None, given_monomers([other])):
        with pytest.raises(InputError, match=r"built with monomers lib\.csv \(SHA-256"):
            verify(store, 16, monomers=wrong)
        with pytest.raises(InputError, match="name the same files with --monomers"):
            make_split(open_store(store), "scaffold", monomers=wrong)


def test_a_store_without_a_library_refuses_one(tmp_path: Path, source: Path) -> None:
    build(source, tmp_path / "store", options(None))
    with pytest.raises(InputError, match="leave out --monomers"):
        verify(tmp_path / "store", 1, monomers=given_monomers([write_library(tmp_path / "a.csv")]))


def test_a_build_is_not_resumed_with_another_library(tmp_path: Path, source: Path) -> None:
    library, other = write_library(tmp_path / "lib.csv"), write_library(tmp_path / "other.sdf")
    build(source, tmp_path / "store", options(library))
    assert build(source, tmp_path / "store", options(library)).nothing_to_do
    with pytest.raises(BuildError, match=r"monomers was lib\.csv \(SHA-256 .*, now other\.sdf \("):
        build(source, tmp_path / "store", options(other))
    with pytest.raises(BuildError, match=r"monomers was lib\.csv .*, now None"):
        build(source, tmp_path / "store", options(None))


def test_stores_with_other_libraries_are_not_merged(tmp_path: Path, source: Path) -> None:
    stores = [tmp_path / "one", tmp_path / "two"]
    for store, name in zip(stores, ("lib.csv", "lib.json"), strict=True):
        build(source, store, options(write_library(tmp_path / name)))
    with pytest.raises(BuildError, match=r"has monomers lib\.json \(SHA-256"):
        merge(stores, tmp_path / "both")
    assert merge([stores[0], stores[0]], tmp_path / "twice").graphs == 32


def test_rows_are_appended_with_the_same_library_only(tmp_path: Path, source: Path) -> None:
    library, store = str(write_library(tmp_path / "lib.csv")), str(tmp_path / "store")
    more = tmp_path / "more.csv"
    more.write_text("helm\nPEPTIDE1{[Zaa].G}$$$$\n")
    given = ("--input-format", "helm", "--workers", "1", "--max-reject-frac", "1")
    assert cli("build", str(source), "--out", store, "--monomers", library, *given).returncode == 0
    refused = cli("build", str(more), "--out", store, "--append", "--workers", "1")
    assert refused.returncode == 1
    assert b"name the same files with --monomers" in refused.stderr
    given = ("--append", "--workers", "1", "--max-reject-frac", "1", "--monomers", library)
    assert cli("build", str(more), "--out", store, *given).returncode == 0
    assert len(open_store(store)) == 17


def test_the_report_says_what_a_library_replaces(tmp_path: Path, source: Path) -> None:
    library = tmp_path / "lib.csv"
    library.write_text("Symbol,CXSMILES\nmeA,FC[C@H](N(C)[*])C([*])=O |$;;;;;_R1;;_R2;$|\n")
    done = cli(
        "build", str(source), "--out", str(tmp_path / "store"), "--monomers", str(library),
        "--workers", "1", "--json", "--max-reject-frac", "1",
    )  # fmt: skip
    said = "lib.csv replaces other definitions of meA"
    assert json.loads(done.stdout)["monomer_notes"] == [said]
    assert f"note: {said}".encode() in done.stderr


def test_a_converting_process_needs_no_file(tmp_path: Path) -> None:
    library = write_library(tmp_path / "lib.csv")
    given = given_monomers([library])
    library.unlink()
    with IsolatedFeaturizer(FeaturizeOptions(input_format="helm", monomers=given)) as featurizer:
        done = featurizer.convert(HELM)
    assert done.kept.tolist() == [0, 1, 2, 3]
    assert "unknown monomer: 'Unknown'" in done.rejects[0].reason
