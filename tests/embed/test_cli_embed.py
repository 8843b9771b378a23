"""``pepland-embed`` as people call it: inputs, outputs, failures, exit codes."""

from __future__ import annotations

import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result

from pepland_cli.embed import main
from pepland_model import Embedder, PharmHGT, PharmHGTConfig

pytest.importorskip("rdkit")
ROWS = ["NCC(=O)NCC(=O)O", "not a molecule", "ACDEFGH", "", "CC(C)C[C@H](N)C(=O)NCC(=O)O"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("model")
    PharmHGT(PharmHGTConfig(hidden=16, depth=3, heads=4)).save(folder)
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A CSV with two rows that have no graph."""
    path = tmp_path_factory.mktemp("input") / "in.csv"
    path.write_text("name,smiles\n" + "".join(f"p{i},{row}\n" for i, row in enumerate(ROWS)))
    return path


@pytest.fixture(scope="module")
def wanted(model):
    return Embedder(model, device="cpu").embed(ROWS)


def call(*arguments: object, text: str | None = None) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--device", "cpu"], input=text)


def read(path, level: str = "peptide") -> tuple[np.ndarray, list[bool], list[str]]:
    """Rows, valid and reasons of an output file of any kind."""
    if path.suffix == ".parquet":
        found = pq.read_table(path)
        rows = found["embedding"].to_pylist()
        valid = [row is not None for row in rows]
        flat = [row if row is not None else [np.nan] * 16 for row in rows]
        if level != "peptide":
            flat = [node for row in rows for node in row or []]
        return np.array(flat, np.float32), valid, [r or "" for r in found["reason"].to_pylist()]
    if path.suffix == ".npz":
        found = np.load(path, allow_pickle=False)
        return found["embedding"], found["valid"].tolist(), found["reason"].tolist()
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(path, mode="r")
    reasons = [*group.attrs["reasons"], ""]
    named = [reasons[i] for i in group["reason"][:]]
    return group["embedding"][:], group["valid"][:].tolist(), named


@pytest.mark.parametrize("kind", ["parquet", "npz", "zarr"])
def test_rows_stay_aligned_and_failures_are_nulls_with_a_reason(
    model, table, wanted, tmp_path, kind
) -> None:
    if kind == "zarr":
        pytest.importorskip("zarr")
    out = tmp_path / f"emb.{kind}"
    result = call("--checkpoint", model, table, "-o", out, "--max-reject-frac", 0.5, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["rows"], report["embedded"], report["rejected"]) == (5, 3, 2)
    rows, valid, reasons = read(out)
    assert valid == [True, False, True, False, True]
    np.testing.assert_allclose(rows, wanted.vectors, atol=1e-6)
    assert reasons == [reason or "" for reason in wanted.reasons]
    assert os.listdir(tmp_path) == [out.name]


@pytest.mark.parametrize("kind", ["parquet", "npz", "zarr"])
@pytest.mark.parametrize("level", ["atom", "fragment"])
def test_nodes_are_ragged_rows(model, table, tmp_path, kind, level) -> None:
    if kind == "zarr":
        pytest.importorskip("zarr")
    out = tmp_path / f"emb.{kind}"
    result = call(
        "--checkpoint", model, table, "-o", out, "--level", level, "--max-reject-frac", 0.5
    )
    assert result.exit_code == 0, result.output
    want = Embedder(model, device="cpu").embed(ROWS, level=level)
    rows, valid, _ = read(out, level)
    np.testing.assert_allclose(rows, want.vectors, atol=1e-6)
    assert valid == want.valid.tolist()
    if kind == "parquet":
        lists = pq.read_table(out)["embedding"].to_pylist()
        assert [len(row or []) for row in lists] == np.diff(want.ptr).tolist()
    elif kind == "npz":
        assert np.load(out)["ptr"].tolist() == want.ptr.tolist()
    else:
        import zarr

        assert zarr.open_group(out, mode="r")["ptr"][:].tolist() == want.ptr.tolist()


@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_a_store_gives_the_vectors_of_its_texts(model, small_store, tmp_path, exact) -> None:
    out = tmp_path / "emb.parquet"
    result = call("--checkpoint", model, small_store.path, "-o", out, *exact)
    assert result.exit_code == 0, result.output
    found = pq.read_table(out)
    assert found["row_id"].to_pylist() == small_store.row_id.tolist()
    assert found["text"].to_pylist() == list(small_store.smiles)
    want = Embedder(model, device="cpu").embed(list(small_store.smiles)).vectors
    np.testing.assert_allclose(read(out)[0], want, atol=1e-6)


def test_more_rows_than_one_part_stay_in_order(model, tmp_path) -> None:
    texts = ["G" * (i % 7 + 1) for i in range(1300)]
    (tmp_path / "in.smi").write_text("sequence\n" + "\n".join(texts) + "\n")
    result = call(
        "--checkpoint", model, tmp_path / "in.smi", "-o", tmp_path / "e.npz",
        "--input-format", "sequence",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = read(tmp_path / "e.npz")[0]
    options = Embedder(model, device="cpu").embed(["G" * n for n in range(1, 8)]).vectors
    assert len(rows) == 1300
    # One letter is no sequence unless it is said so: compare the other lengths.
    for i in range(1300):
        if i % 7:
            np.testing.assert_allclose(rows[i], options[i % 7], atol=1e-6)


def test_standard_input_and_texts_work_like_a_file(model, wanted, tmp_path) -> None:
    lines = "smiles\n" + "".join(f"{row}\n" for row in (ROWS[0], ROWS[2]))
    piped = call("--checkpoint", model, "-", "-o", tmp_path / "a.npz", text=lines)
    assert piped.exit_code == 0, piped.output
    given = call(
        "--checkpoint", model, "--text", ROWS[0], "--text", ROWS[2], "-o", tmp_path / "b.npz"
    )
    assert given.exit_code == 0, given.output
    for name in ("a.npz", "b.npz"):
        np.testing.assert_allclose(read(tmp_path / name)[0], wanted.vectors[[0, 2]], atol=1e-6)


def test_too_many_rejects_end_with_exit_code_3_and_the_file_is_kept(model, table, tmp_path) -> None:
    result = call("--checkpoint", model, table, "-o", tmp_path / "emb.npz")
    assert result.exit_code == 3
    assert (tmp_path / "emb.npz").is_file()
    assert "2 rows have none" in result.stdout


def test_a_file_is_replaced_when_all_is_done_and_kept_when_it_fails(model, table, tmp_path) -> None:
    out = tmp_path / "emb.parquet"
    out.write_bytes(b"before")
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8bbroken")
    result = call("--checkpoint", model, tmp_path / "cut.csv.gz", "-o", out)
    assert result.exit_code == 1
    assert out.read_bytes() == b"before"
    call("--checkpoint", model, table, "-o", out)
    assert len(pq.read_table(out)) == 5
    assert sorted(os.listdir(tmp_path)) == ["cut.csv.gz", "emb.parquet"]


def test_a_zarr_group_is_replaced(model, table, tmp_path) -> None:
    pytest.importorskip("zarr")
    for _ in range(2):
        call("--checkpoint", model, table, "-o", tmp_path / "emb.zarr")
    assert len(read(tmp_path / "emb.zarr")[0]) == 5
    assert os.listdir(tmp_path) == ["emb.zarr"]


def test_the_file_says_where_its_vectors_come_from(model, table, tmp_path) -> None:
    call("--checkpoint", model, table, "-o", tmp_path / "e.parquet", "--pooling", "max")
    about = json.loads(pq.read_schema(tmp_path / "e.parquet").metadata[b"pepland"])
    assert about["checkpoint"] == str(model)
    assert about["pooling"] == {"level": "peptide", "view": "both", "how": "max"}
    assert about["model"]["hidden"] == 16


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--checkpoint", "MODEL", "-o", "OUT.npz"], 2, "INPUT or --text"),
        (["--checkpoint", "MODEL", "INPUT", "--text", "C", "-o", "OUT.npz"], 2, "INPUT or --text"),
        (["--checkpoint", "nowhere", "INPUT", "-o", "OUT.npz"], 1, "nowhere"),
        (["--checkpoint", "MODEL", "nowhere.csv", "-o", "OUT.npz"], 1, "nowhere.csv"),
        (["--checkpoint", "MODEL", "INPUT", "-o", "OUT.xlsx"], 1, ".parquet, .npz or .zarr"),
        (["--checkpoint", "MODEL", "INPUT", "-o", "no/such/folder/e.npz"], 1, "no folder"),
        (["--checkpoint", "MODEL", "INPUT", "-o", "OUT.npz", "--smiles-column", "x"], 1, "'x'"),
        (["--checkpoint", "MODEL", "FOLDER", "-o", "OUT.npz"], 1, "store"),
        (["--checkpoint", "MODEL", "INPUT", "-o", "OUT.npz", "--level", "bond"], 2, "bond"),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(
    model, table, tmp_path, arguments, code, words
) -> None:
    (tmp_path / "folder").mkdir()
    names = {"MODEL": model, "INPUT": table, "FOLDER": tmp_path / "folder"}
    given = [str(names.get(a, a)).replace("OUT", str(tmp_path / "out")) for a in arguments]
    result = call(*given)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert os.listdir(tmp_path) == ["folder"]


def test_a_gpu_that_is_not_there_is_said(model, table, tmp_path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    arguments = ["--checkpoint", model, table, "-o", tmp_path / "e.npz", "--device", "cuda"]
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 1
    assert "torch sees no CUDA GPU" in result.stderr


@pytest.fixture(scope="module")
def amiibo(tmp_path_factory):
    """A store cut by Amiibo, and an encoder trained on it for a step."""
    from pepland_cli.train import main as train
    from pepland_data import BuildOptions, FeaturizeOptions, build

    folder = tmp_path_factory.mktemp("amiibo")
    (folder / "in.smi").write_text("\n".join(["ACDEFGH", "WYRKST", "ACDW", "KKRW"]) + "\n")
    options = BuildOptions(FeaturizeOptions(cut="amiibo", input_format="sequence"))
    build(folder / "in.smi", folder / "store", options)
    flags = ["--hidden", 16, "--depth", 2, "--batch-size", 4, "--max-steps", 1, "--device", "cpu"]
    arguments = ["--shards", folder / "store", "--out", folder / "run", *flags]
    result = CliRunner().invoke(train, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return folder


def test_texts_are_cut_as_the_encoder_was_trained(amiibo, tmp_path) -> None:
    stored, typed = tmp_path / "a.npz", tmp_path / "b.npz"
    call("--checkpoint", amiibo / "run", amiibo / "store", "-o", stored, "--level", "fragment")
    result = call(
        "--checkpoint", amiibo / "run", amiibo / "in.smi", "-o", typed, "--level", "fragment",
        "--input-format", "sequence",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(read(stored)[0], read(typed)[0], atol=1e-6)
    here = Embedder(amiibo / "run", device="cpu").embed(["ACDEFGH"], level="fragment")
    np.testing.assert_allclose(here.vectors, read(stored)[0][: len(here.vectors)], atol=1e-6)


def test_another_cut_than_the_encoders_is_refused(amiibo, small_store, tmp_path) -> None:
    from pepland_data import FeaturizeOptions
    from pepland_data.errors import InputError

    out = ["-o", tmp_path / "e.npz"]
    for source in (["--text", "ACDEW", "--cut", "adafrag"], [small_store.path]):
        result = call("--checkpoint", amiibo / "run", *source, *out)
        assert result.exit_code == 1
        assert "use --cut amiibo" in result.stderr
    with pytest.raises(InputError, match="--cut amiibo"):
        Embedder(amiibo / "run", device="cpu", options=FeaturizeOptions())


def test_an_encoder_of_another_cut_is_not_fine_tuned(amiibo, small_store, tmp_path) -> None:
    from pepland_cli.train import main as train

    arguments = ["--task", "regression", "--target", "length", "--shards", small_store.path]
    arguments += ["--init-from", amiibo / "run", "--out", tmp_path / "x", "--device", "cpu"]
    result = CliRunner().invoke(train, [str(a) for a in arguments])
    assert result.exit_code == 1
    assert "trained on fragments of 'amiibo'" in result.stderr


def test_stores_of_different_cuts_do_not_mix_in_training(amiibo, small_store, tmp_path) -> None:
    from pepland_cli.train import main as train

    arguments = ["--shards", small_store.path, "--shards", amiibo / "store", "--out",
                 tmp_path / "x", "--device", "cpu"]  # fmt: skip
    result = CliRunner().invoke(train, [str(a) for a in arguments])
    assert result.exit_code == 1
    assert "cut in different ways" in result.stderr
