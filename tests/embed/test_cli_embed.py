"""``pepland-embed``: inputs, outputs, failures and exit codes."""

from __future__ import annotations

import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result

from pepland_cli.embed import main
from pepland_cli.train import main as train
from pepland_data.errors import InputError
from pepland_model import Embedder, PharmHGT, PharmHGTConfig

pytest.importorskip("rdkit")
from rdkit import Chem

from pepland_data import BuildOptions, FeaturizeOptions, build
from pepland_data.chem.monomers.given_files import given_monomers
from pepland_data.chem.notation.helm_smiles import helm_smiles
from tests.helpers.monomer_files import MOLECULES, write_library

ROWS = ["NCC(=O)NCC(=O)O", "not a molecule", "ACDEFGH", "", "CC(C)C[C@H](N)C(=O)NCC(=O)O"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("model")
    PharmHGT(PharmHGTConfig(hidden=16, depth=3, heads=4)).save(folder)
    return folder


@pytest.fixture(scope="module")
def embedder(model):
    return Embedder(model, device="cpu")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A CSV with two rows that have no graph."""
    path = tmp_path_factory.mktemp("input") / "in.csv"
    path.write_text("name,smiles\n" + "".join(f"p{i},{row}\n" for i, row in enumerate(ROWS)))
    return path


def call(*arguments: object, text: str | None = None, command=main) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--device", "cpu"], input=text)


def read(path, level: str = "peptide") -> tuple[np.ndarray, list[bool], list[str], dict, list[int]]:
    """Vectors, valid, reasons, about and rows per text of an output file of any kind."""
    if path.suffix == ".parquet":
        output = pq.read_table(path)
        rows = output["embedding"].to_pylist()
        flat = [row if row is not None else [np.nan] * 16 for row in rows]
        if level != "peptide":
            flat = [node for row in rows for node in row or []]
        reasons = [r or "" for r in output["reason"].to_pylist()]
        valid, sizes = [row is not None for row in rows], [len(row or []) for row in rows]
        about = json.loads(output.schema.metadata[b"pepland"])
        return np.array(flat, np.float32), valid, reasons, about, sizes
    if path.suffix == ".npz":
        output = np.load(path, allow_pickle=False)
        about, reasons = json.loads(str(output["about"])), output["reason"].tolist()
    else:
        output = pytest.importorskip("zarr").open_group(path, mode="r")
        about = dict(output.attrs)
        names = [*about["reasons"], ""]
        reasons = [names[i] for i in output["reason"][:]]
    sizes = np.diff(output["ptr"][:]).tolist() if level != "peptide" else []
    return output["embedding"][:], output["valid"][:].tolist(), reasons, about, sizes


@pytest.mark.parametrize("kind", ["parquet", "npz", "zarr"])
def test_rows_keep_their_order_rejects_are_null_and_an_old_file_is_replaced(
    model, embedder, table, tmp_path, kind
) -> None:
    out = tmp_path / f"emb.{kind}"
    if kind == "zarr":
        pytest.importorskip("zarr").open_group(out, mode="w").attrs["old"] = 1
    else:
        out.write_bytes(b"before")
    options = ["-o", out, "--pooling", "max", "--max-reject-frac", 0.5, "--json"]
    result = call("--checkpoint", model, table, *options)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["rows"], report["embedded"], report["rejected"]) == (5, 3, 2)
    rows, valid, reasons, about, _ = read(out)
    expected = embedder.embed(ROWS, pooling="max")
    assert valid == expected.valid.tolist() == [True, False, True, False, True]
    np.testing.assert_allclose(rows, expected.vectors, atol=1e-6)
    assert reasons == [reason or "" for reason in expected.reasons]
    assert about["checkpoint"] == str(model)
    pooling = {"level": "peptide", "view": "both", "how": "max", "readout": "mean"}
    assert about["pooling"] == pooling
    assert about["model"]["hidden"] == 16
    assert "old" not in about
    assert os.listdir(tmp_path) == [out.name]


@pytest.mark.parametrize(
    ("kind", "level"), [("parquet", "atom"), ("npz", "fragment"), ("zarr", "atom")]
)
def test_nodes_are_ragged_rows_and_too_many_rejects_give_exit_code_3(
    model, embedder, table, tmp_path, kind, level
) -> None:
    if kind == "zarr":
        pytest.importorskip("zarr")
    out = tmp_path / f"emb.{kind}"
    result = call("--checkpoint", model, table, "-o", out, "--level", level)
    assert result.exit_code == 3, result.output
    assert "2 rows have none" in result.stdout
    expected = embedder.embed(ROWS, level=level)
    rows, valid, _, _, sizes = read(out, level)
    np.testing.assert_allclose(rows, expected.vectors, atol=1e-6)
    assert valid == expected.valid.tolist()
    assert sizes == np.diff(expected.ptr).tolist()


@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_a_store_gives_the_vectors_of_its_texts(
    model, embedder, small_store, tmp_path, exact
) -> None:
    out = tmp_path / "emb.parquet"
    result = call("--checkpoint", model, small_store.path, "-o", out, *exact)
    assert result.exit_code == 0, result.output
    output = pq.read_table(out)
    assert output["row_id"].to_pylist() == small_store.row_id.tolist()
    assert output["text"].to_pylist() == list(small_store.smiles)
    expected = embedder.embed(list(small_store.smiles)).vectors
    np.testing.assert_allclose(read(out)[0], expected, atol=1e-6)


def test_more_rows_than_one_part_stay_in_order(model, embedder, tmp_path) -> None:
    # A single letter is not detected as a sequence, so lengths begin at 2.
    texts = ["G" * (i % 7 + 2) for i in range(1100)]
    (tmp_path / "in.smi").write_text("sequence\n" + "\n".join(texts) + "\n")
    result = call("--checkpoint", model, tmp_path / "in.smi", "-o", tmp_path / "e.npz",
                  "--input-format", "sequence")  # fmt: skip
    assert result.exit_code == 0, result.output
    expected = embedder.embed(texts).vectors
    np.testing.assert_allclose(read(tmp_path / "e.npz")[0], expected, atol=1e-6)


def test_standard_input_and_texts_work_like_a_file(model, embedder, tmp_path) -> None:
    lines = "smiles\n" + "".join(f"{row}\n" for row in (ROWS[0], ROWS[2]))
    piped = call("--checkpoint", model, "-", "-o", tmp_path / "a.npz", text=lines)
    assert piped.exit_code == 0, piped.output
    options = ["--text", ROWS[0], "--text", ROWS[2], "-o", tmp_path / "b.npz"]
    typed = call("--checkpoint", model, *options)
    assert typed.exit_code == 0, typed.output
    expected = embedder.embed([ROWS[0], ROWS[2]]).vectors
    for name in ("a.npz", "b.npz"):
        np.testing.assert_allclose(read(tmp_path / name)[0], expected, atol=1e-6)


def test_molecules_of_an_sdf_file_are_shown_as_smiles(model, embedder, tmp_path) -> None:
    chem = pytest.importorskip("rdkit.Chem")
    block = chem.MolToMolBlock(chem.MolFromSmiles("NCC(=O)NCC(=O)O"))
    (tmp_path / "in.sdf").write_text(f"{block}$$$$\nno record\n$$$$\n{block}$$$$\n")
    done = call("--checkpoint", model, tmp_path / "in.sdf", "-o", tmp_path / "e.parquet")
    assert done.exit_code == 3, done.output
    texts = pq.read_table(tmp_path / "e.parquet")["text"].to_pylist()
    assert (texts[0], texts[2]) == ("NCC(=O)NCC(=O)O",) * 2
    vectors, valid, reasons, *_ = read(tmp_path / "e.parquet")
    assert valid == [True, False, True]
    assert "SDF record" in reasons[1]
    np.testing.assert_allclose(vectors[0], embedder.embed(texts[:1]).vectors[0], atol=1e-6)


def test_a_failure_leaves_the_old_file_and_no_temporary_file(model, tmp_path) -> None:
    out = tmp_path / "emb.parquet"
    out.write_bytes(b"before")
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8bbroken")
    result = call("--checkpoint", model, tmp_path / "cut.csv.gz", "-o", out)
    assert result.exit_code == 1
    assert out.read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == ["cut.csv.gz", "emb.parquet"]


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
    result = call(*(str(names.get(a, a)).replace("OUT", f"{tmp_path}/out") for a in arguments))
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert os.listdir(tmp_path) == ["folder"]


def test_a_missing_gpu_is_named(model, table, tmp_path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    arguments = ["--checkpoint", model, table, "-o", tmp_path / "e.npz", "--device", "cuda"]
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 1
    assert "torch sees no CUDA GPU" in result.stderr


@pytest.fixture(scope="module")
def amiibo(tmp_path_factory):
    """A store cut by Amiibo, and an encoder trained on it for one step."""
    folder = tmp_path_factory.mktemp("amiibo")
    (folder / "in.smi").write_text("\n".join(["ACDEFGH", "WYRKST", "ACDW", "KKRW"]) + "\n")
    options = BuildOptions(FeaturizeOptions(cut="amiibo", input_format="sequence"))
    build(folder / "in.smi", folder / "store", options)
    flags = ["--hidden", 16, "--depth", 2, "--batch-size", 4, "--max-steps", 1]
    result = call("--shards", folder / "store", "--out", folder / "run", *flags, command=train)
    assert result.exit_code == 0, result.output
    return folder


def test_texts_are_cut_as_the_encoder_was_trained(amiibo, tmp_path) -> None:
    stored, typed = tmp_path / "a.npz", tmp_path / "b.npz"
    options = ["--checkpoint", amiibo / "run", "--level", "fragment"]
    call(amiibo / "store", "-o", stored, *options)
    result = call(amiibo / "in.smi", "-o", typed, *options, "--input-format", "sequence")
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(read(stored)[0], read(typed)[0], atol=1e-6)
    here = Embedder(amiibo / "run", device="cpu").embed(["ACDEFGH"], level="fragment")
    np.testing.assert_allclose(here.vectors, read(stored)[0][: len(here.vectors)], atol=1e-6)


def test_another_cut_than_the_encoders_is_refused(amiibo, small_store, tmp_path) -> None:
    for source in (["--text", "ACDEW", "--cut", "adafrag"], [small_store.path]):
        result = call("--checkpoint", amiibo / "run", *source, "-o", tmp_path / "e.npz")
        assert result.exit_code == 1
        assert "use --cut amiibo" in result.stderr
    with pytest.raises(InputError, match="--cut amiibo"):
        Embedder(amiibo / "run", device="cpu", options=FeaturizeOptions())


def test_an_encoder_of_another_cut_is_not_fine_tuned(amiibo, small_store, tmp_path) -> None:
    arguments = ["--task", "regression", "--target", "length", "--shards", small_store.path]
    arguments += ["--init-from", amiibo / "run", "--out", tmp_path / "x"]
    result = call(*arguments, command=train)
    assert result.exit_code == 1
    assert "trained on fragments of 'amiibo'" in result.stderr


def test_stores_of_different_cuts_do_not_mix_in_training(amiibo, small_store, tmp_path) -> None:
    stores = ["--shards", small_store.path, "--shards", amiibo / "store"]
    result = call(*stores, "--out", tmp_path / "x", command=train)
    assert result.exit_code == 1
    assert "cut in different ways" in result.stderr


def test_helm_is_embedded_with_a_monomer_library(model, tmp_path) -> None:
    library, helm = write_library(tmp_path / "lib.csv"), next(iter(MOLECULES))
    written = helm_smiles(helm, given_monomers([library]))
    assert Chem.CanonSmiles(written) == Chem.CanonSmiles(MOLECULES[helm])
    texts = ("--text", helm, "--text", written, "--max-reject-frac", 1)
    with_it, without = tmp_path / "with.npz", tmp_path / "without.npz"
    call("--checkpoint", model, "-o", with_it, "--monomers", library, *texts)
    call("--checkpoint", model, "-o", without, *texts)
    vectors, valid, *_ = read(with_it)
    assert valid == [True, True]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    _, valid, reasons, *_ = read(without)
    assert valid == [False, True]
    assert "unknown monomer: 'Zaa'" in reasons[0]
