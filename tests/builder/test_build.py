"""Build, open and verify stores: every row is accounted for, bytes are stable, damage is found."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pepland_data import build, featurize, open_store
from pepland_data.builder.local_build import task_blocks
from pepland_data.builder.options import BuildOptions
from pepland_data.chem.featurizer import FeaturizeOptions
from pepland_data.errors import (
    BuildError,
    InputError,
    StoreDamagedError,
    StoreNotFoundError,
    StoreVersionError,
)
from pepland_data.inputs.read_input import read_blocks
from pepland_data.store.arrow_shards import view
from pepland_data.store.manifest import manifest_bytes, read_manifest
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import write_split
from pepland_data.store.verify import verify
from tests.helpers.commands import PROGRAM, cli, wait_for
from tests.helpers.paths import ROOT
from tests.helpers.stores import PEPTIDES, files_of, write_csv


def build_without_commit(
    source: Path, out: Path, options: BuildOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave an unfinished build: all chunks are converted, and no store file is written."""

    def stop(*_: object) -> None:
        raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("pepland_data.builder.local_build.commit", stop)
        with pytest.raises(RuntimeError):
            build(source, out, options)


def test_every_row_is_in_the_store_or_the_rejects(tmp_path: Path) -> None:
    report = build(write_csv(tmp_path / "in.csv", 40, (3, 17)), tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert (report.rows, report.graphs, report.rejects) == (40, 38, 2)
    assert sorted([*store.row_id, *(r["row_id"] for r in store.rejects)]) == list(range(40))
    assert [(r["text"], r["stage"]) for r in store.rejects] == [("not a smiles", "parse")] * 2


def test_a_stored_graph_equals_the_featurized_text(tmp_path: Path) -> None:
    build(write_csv(tmp_path / "in.csv", 12), tmp_path / "out", BuildOptions(rows_per_shard=5))
    store = open_store(tmp_path / "out")
    for i, smiles in enumerate(store.smiles):
        assert store[i] == featurize(smiles)
    assert store[-1] == store[11]
    with pytest.raises(IndexError):
        store[12]


def test_pass_through_columns_keep_their_type_and_row(tmp_path: Path) -> None:
    build(write_csv(tmp_path / "in.csv", 9, (2,)), tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert store.columns["affinity"].dtype == np.float64
    np.testing.assert_array_equal(store.columns["affinity"], store.row_id / 2)
    assert list(store.columns["id"]) == [f"p{i}" for i in store.row_id]
    np.testing.assert_array_equal(store.num_atoms, [g.num_atoms for g in store])


def test_the_number_of_workers_changes_no_byte(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", 30, (7,))
    for workers in (1, 2):
        options = BuildOptions(rows_per_shard=4, workers=workers)
        build(source, tmp_path / f"out{workers}", options)
    assert files_of(tmp_path / "out1") == files_of(tmp_path / "out2")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("form", ["arrow", "zarr"])
def test_columns_with_reserved_repeated_or_empty_names_are_passed_through(
    tmp_path: Path, suffix: str, form: str
) -> None:
    header = ["", "sequence", "smiles", "row_id", "atoms", "y", "y"]
    rows = [["7", "GA", "CC", "70", "x", "1", "2"], ["8", "AG", "CCC", "80", "z", "3", "4"]]
    path = tmp_path / f"in.{suffix}"
    if suffix == "csv":
        path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    else:
        columns = [pa.array(list(column)) for column in zip(*rows, strict=True)]
        pq.write_table(pa.Table.from_arrays(columns, header), path)
    options = BuildOptions(
        FeaturizeOptions(input_format="sequence"), "sequence", format=form, keep_index=True
    )
    build(path, tmp_path / "out", options)
    store = open_store(tmp_path / "out")
    assert list(store.smiles) == ["GA", "AG"]
    assert list(store.row_id) == [0, 1]
    found = {name: [str(v) for v in store.columns[name]] for name in store.manifest.columns}
    assert found == {
        "column_1": ["7", "8"], "smiles_2": ["CC", "CCC"], "row_id_2": ["70", "80"],
        "atoms_2": ["x", "z"], "y": ["1", "3"], "y_2": ["2", "4"],
    }  # fmt: skip
    assert verify(tmp_path / "out", semantic=2).sound


@pytest.mark.parametrize("workers", [2, 5, 32])
def test_the_last_tasks_are_small(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "in.csv"
    path.write_text("smiles\n" + "CCO\n" * 20_005)
    options = BuildOptions(rows_per_shard=10, workers=workers)
    blocks = list(read_blocks(path, 10, None, "smiles", by_place=True))
    groups = list(task_blocks(blocks, options, None, path.stat().st_size))
    assert [one for group in groups for one in group] == list(enumerate(blocks))
    sizes = [len(group) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] <= len(blocks) / (4 * workers) + 1
    assert sizes[-1] == 1
    assert len(sizes) < len(blocks) / 2
    by_rows = task_blocks(blocks, options, range(20_005), 0)
    assert abs(len(list(by_rows)) - len(sizes)) <= 2
    alone = task_blocks(blocks, replace(options, workers=1), None, path.stat().st_size)
    assert {len(group) for group in alone} == {1}
    held = task_blocks(read_blocks(path, 10, None, "smiles"), options, None, 0)
    assert {len(group) for group in held} == {1}


def test_an_input_that_grows_while_it_is_built_is_refused(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", 30, (7,))

    def grow(stage: str, done: int, total: int | None) -> None:
        if stage == "convert" and done == 4:
            with source.open("a") as file:
                file.write("CCO\n")

    with pytest.raises(InputError, match="changed while it was read"):
        build(source, tmp_path / "out", BuildOptions(rows_per_shard=4), grow)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_the_bar_begins_before_the_first_row_is_converted(tmp_path: Path) -> None:
    source, told = write_csv(tmp_path / "in.csv", 30, (7,)), []
    options = BuildOptions(rows_per_shard=20)
    build(source, tmp_path / "out", options, lambda *now: told.append(now))
    assert [now for now in told if now[0] == "convert"] == [
        ("convert", 0, None), ("convert", 20, None), ("convert", 30, None),
    ]  # fmt: skip


def test_shards_rewritten_in_groups_have_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_csv(tmp_path / "in.csv", 30, (7,))
    build(source, tmp_path / "single", BuildOptions(rows_per_shard=3))
    monkeypatch.setattr("pepland_data.builder.commit.TASKS_PER_WORKER", 3)
    monkeypatch.setattr("pepland_data.builder.commit.UNION_SIZE", 3)
    build(source, tmp_path / "groups", BuildOptions(rows_per_shard=3))
    assert files_of(tmp_path / "single") == files_of(tmp_path / "groups")


def test_damaged_chunks_are_converted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_csv(tmp_path / "in.csv", 30, (7,))
    build(source, tmp_path / "whole", BuildOptions(rows_per_shard=5))

    build_without_commit(source, tmp_path / "out", BuildOptions(rows_per_shard=5), monkeypatch)
    for number, (name, length) in enumerate(
        (("shard.arrow", 0), ("tables/atom.arrow", 100), ("done.json", 0), ("notes.arrow", 8))
    ):
        os.truncate(tmp_path / f"out/.build/{number:06d}" / name, length)
    report = build(source, tmp_path / "out", BuildOptions(rows_per_shard=5))
    assert report.resumed_shards == 2
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_earlier_builds_of_the_process_change_no_byte(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", 8)
    build(source, tmp_path / "first")
    (tmp_path / "other.smi").write_text("BrC(F)(Cl)C(=O)N[SiH3]\n")
    build(tmp_path / "other.smi", tmp_path / "other")
    build(source, tmp_path / "second")
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv")
    build(source, tmp_path / "out")
    before = files_of(tmp_path / "out")
    assert build(source, tmp_path / "out").nothing_to_do
    assert files_of(tmp_path / "out") == before


def test_another_input_or_option_is_refused_and_named(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv")
    build(source, tmp_path / "out")
    with pytest.raises(BuildError, match="cut was 'adafrag', now 'amiibo'"):
        build(source, tmp_path / "out", BuildOptions(FeaturizeOptions(cut="amiibo")))
    with pytest.raises(BuildError, match="input content"):
        build(write_csv(source, 41), tmp_path / "out")


def test_a_killed_build_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    source, out = write_csv(tmp_path / "in.csv", 400, (5,)), tmp_path / "killed"
    arguments = ["build", str(source), "--rows-per-shard", "10", "--workers", "1", "--out"]
    for chunks in (1, 20):
        process = subprocess.Popen(
            [*PROGRAM, *arguments, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(lambda wanted=chunks: len(list(out.glob(".build/*/done.json"))) >= wanted)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        with pytest.raises(StoreNotFoundError):
            open_store(out)
    done = cli(*arguments, str(out), "--json")
    assert json.loads(done.stdout)["resumed_shards"] >= 20
    assert cli(*arguments, str(tmp_path / "whole")).returncode == 0
    assert files_of(out) == files_of(tmp_path / "whole")


@pytest.mark.parametrize("name", ["in.smi", "in.txt", "in.tsv", "in.csv.gz", "in.parquet"])
def test_every_file_kind_gives_the_same_graphs(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = {".smi": "\n".join(f"{s}\tx" for s in PEPTIDES), ".txt": "\n".join(PEPTIDES)}
    if name == "in.parquet":
        pq.write_table(pa.table({"smiles": PEPTIDES, "y": [1.5, 2, 3, 4]}), path)
    elif name == "in.csv.gz":
        path.write_bytes(gzip.compress(("smiles\n" + "\n".join(PEPTIDES)).encode()))
    else:
        path.write_text(
            lines.get(path.suffix, "smiles\ty\n" + "\n".join(f"{s}\t1" for s in PEPTIDES))
        )
    build(path, tmp_path / "out")
    assert list(open_store(tmp_path / "out").smiles) == PEPTIDES


def test_fasta_and_sequences_give_the_molecule_of_the_sequence(tmp_path: Path) -> None:
    (tmp_path / "in.fasta").write_text(">one\nGAV\nLK\n>two\nWC\n>odd\nGXJ\n")
    options = BuildOptions(FeaturizeOptions(input_format="fasta"))
    report = build(tmp_path / "in.fasta", tmp_path / "out", options)
    store = open_store(tmp_path / "out")
    assert list(store.smiles) == ["GAVLK", "WC"]
    assert list(store.columns["name"]) == ["one", "two"]
    assert report.rejects == 1
    assert store[1].num_atoms == 21


def test_hostile_rows_are_rejected_with_a_reason(tmp_path: Path) -> None:
    rows = [b"C", b"", b"\xff\xfe", b"C\x00C", b"*CC", b"C" * 200_000, b'"C,C"', b"CC>>CC", b"[Fe]",
            b"C1CC", b"c1ccccc1" * 900, b"F[P@OH1](Cl)(Br)(I)N", b"NCC(=O)O"]  # fmt: skip
    (tmp_path / "in.csv").write_bytes(b"smiles\n" + b"\n".join(rows) + b"\n")
    report = build(
        tmp_path / "in.csv", tmp_path / "out", BuildOptions(FeaturizeOptions(max_atoms=999))
    )
    store = open_store(tmp_path / "out")
    assert report.graphs + report.rejects == report.rows
    assert {"C", "NCC(=O)O", "[Fe]"} <= set(store.smiles)
    assert {"read", "parse", "limits", "features"} <= {r["stage"] for r in store.rejects}
    assert all(r["reason"] for r in store.rejects)


def test_unusable_inputs_and_folders_are_one_line_errors(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    for arguments, message in (
        (["none.csv", "out"], b"there is no input file"),
        ([str(tmp_path / "empty.csv"), "out"], b"is empty"),
        ([str(source), "out", "--smiles-column", "seq"], b"no column 'seq'; it has id, smiles"),
        ([str(source), "full"], b"holds other files"),
    ):
        done = cli("build", arguments[0], "--out", str(tmp_path / arguments[1]), *arguments[2:])
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "full/notes.txt").read_text() == "mine"


def test_a_file_size_limit_is_an_error_and_the_build_is_resumed(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", 40)
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
    )
    arguments = ["build", str(source), "--workers", "1", "--out", str(tmp_path / "out")]
    command = [*PROGRAM[:2], limit + PROGRAM[2], *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"File too large" in done.stderr
    with pytest.raises(StoreNotFoundError, match="unfinished build"):
        open_store(tmp_path / "out")
    assert cli(*arguments).returncode == 0
    assert len(open_store(tmp_path / "out")) == 40


def test_a_file_of_bad_rows_ends_with_code_3_and_json_is_one_document(tmp_path: Path) -> None:
    done = cli("build", "-", "--out", str(tmp_path / "out"), "--json", stdin=b"smiles\nxx\nyy\n")
    assert done.returncode == 3
    assert json.loads(done.stdout)["rejects"] == 2
    assert b"every row was rejected" in done.stderr


def test_open_store_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError, match="no store"):
        open_store(tmp_path / "none")
    with pytest.raises(StoreNotFoundError, match=r"manifest\.json"):
        open_store(tmp_path)
    (tmp_path / ".build").mkdir()
    with pytest.raises(StoreNotFoundError, match="unfinished build"):
        open_store(tmp_path)


def test_a_newer_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(write_csv(tmp_path / "in.csv", 4), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    monkeypatch.setattr("pepland_data.store.manifest.FORMAT_VERSION", 2)
    (tmp_path / "out/manifest.json").write_bytes(manifest_bytes(manifest))
    monkeypatch.undo()
    with pytest.raises(StoreVersionError, match="store format 2"):
        open_store(tmp_path / "out")


def test_every_flipped_bit_is_found_and_none_ends_the_process(tmp_path: Path) -> None:
    build(
        write_csv(tmp_path / "in.csv", 20, (3,)), tmp_path / "out", BuildOptions(rows_per_shard=7)
    )
    store = open_store(tmp_path / "out")
    write_split(store, make_split(store))
    assert verify(tmp_path / "out", semantic=20).sound
    generator = random.Random(0)
    files = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    for number in range(120):
        path = files[number % len(files)]
        whole = path.read_bytes()
        place = generator.randrange(len(whole))
        flipped = bytes([whole[place] ^ (1 << generator.randrange(8))])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        assert not verify(tmp_path / "out").sound, (path, place)
        try:
            for graph in open_store(tmp_path / "out"):
                graph.dense()
        except StoreDamagedError:
            pass
        path.write_bytes(whole)
    assert verify(tmp_path / "out").sound


def test_a_truncated_or_missing_shard_is_damage(tmp_path: Path) -> None:
    build(write_csv(tmp_path / "in.csv", 20), tmp_path / "out")
    (shard,) = (tmp_path / "out/shards").iterdir()
    os.truncate(shard, 1000)
    with pytest.raises(StoreDamagedError, match="1000 bytes"):
        open_store(tmp_path / "out")[0]
    shard.unlink()
    with pytest.raises(StoreDamagedError, match="pepland-data verify"):
        open_store(tmp_path / "out")[0]
    assert cli("verify", str(tmp_path / "out")).returncode == 3


def test_info_and_vocab_answer_in_json(tmp_path: Path) -> None:
    build(write_csv(tmp_path / "in.csv", 8), tmp_path / "out")
    info = json.loads(cli("info", str(tmp_path / "out"), "--json").stdout)
    assert info["counts"]["graphs"] == 8
    done = cli("vocab", str(tmp_path / "out"), "--json", "-o", str(tmp_path / "v.txt"))
    assert json.loads(done.stdout)["covered"] == 1.0
    again = cli("info", str(tmp_path / "out"), "--json", "--vocab", str(tmp_path / "v.txt"))
    assert json.loads(again.stdout)["vocabulary"]["covered"] == 1.0


def test_building_imports_neither_torch_nor_dgl() -> None:
    code = "import sys, pepland_data.builder.build as b; print({'torch', 'dgl'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"


def test_opening_a_store_imports_no_pandas(tmp_path: Path) -> None:
    build(write_csv(tmp_path / "in.csv", 4), tmp_path / "out")
    code = "import sys; from pepland_data import open_store; open_store(sys.argv[1])[0].dense();"
    code += "print(sorted({'pandas', 'rdkit', 'joblib', 'zarr'} & set(sys.modules)))"
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    assert subprocess.run(command, capture_output=True, check=True).stdout.strip() == b"[]"


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.float32()])
def test_a_view_is_what_pyarrow_gives(kind: pa.DataType) -> None:
    whole = pa.array(range(10), kind)
    for array in (whole, whole.slice(3, 4), whole.slice(2, 0), pa.array([], kind)):
        np.testing.assert_array_equal(view(array), array.to_numpy(), strict=True)
    with pytest.raises(ValueError, match="1 values are missing"):
        view(pa.array([1, None], kind))


def test_real_corpora_are_stored_exactly(tmp_path: Path, shared_dir: Path) -> None:
    build(shared_dir / "data/noncanonical.csv", tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert len(store) + len(store.rejects) == 69
    for i, smiles in enumerate(store.smiles):
        assert store[i] == featurize(smiles)


def test_the_bundled_sample_has_a_thousand_peptides() -> None:
    lines = (ROOT / "pepland_data/resources/sample.csv").read_text().splitlines()
    assert len(set(lines)) >= 1001


@pytest.mark.parametrize(("data", "what"), [(b"%PDF-1.7\n", "a PDF document"), (b"", "empty")])
def test_messages_about_standard_input_call_it_so(tmp_path: Path, data: bytes, what: str) -> None:
    done = cli("build", "-", "--out", str(tmp_path / "out"), stdin=data)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"error: standard input is {what}; ")
    assert not (tmp_path / "out").exists()
