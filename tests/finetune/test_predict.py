"""``pepland-embed --predict``: predictions of a fine-tuned run for new peptides."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from pepland_cli.embed import main
from pepland_model.finetune.predictor import Predictor
from tests.helpers.paths import PUBLIC

SMILES = [str(s) for s in np.load(PUBLIC)["smiles"]]


@pytest.fixture(scope="module")
def source(store):
    """Folder with the input file and the store."""
    return store.parent


@pytest.fixture(scope="module")
def tuned(regression):
    return regression[0]


@pytest.fixture(scope="module")
def classified(frozen):
    return frozen[0]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--predict", "--device", "cpu"])


def by_row(out, column: str) -> tuple[list[int], np.ndarray]:
    """Rows with a target, and the predictions in the files of the run, [rows, seeds]."""
    table = pq.read_table(out / "predictions.parquet").to_pylist()
    found = {(row["row_id"], row["seed"]): row[column] for row in table}
    rows = sorted({row for row, _ in found})
    return rows, np.array([[found[row, seed] for seed in (0, 1)] for row in rows])


def assert_close(found: np.ndarray, want: np.ndarray) -> None:
    """Compare values that lie between 0 and 40."""
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("where", ["in.csv", "store"])
def test_predictions_are_means_over_the_seeds_of_the_run(tuned, source, tmp_path, where) -> None:
    out = tmp_path / "p.parquet"
    result = call("--checkpoint", tuned, source / where, "-o", out, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["rows"], report["seeds"], report["target"]) == (36, 2, "affinity")
    (rows, want), found = by_row(tuned, "prediction"), pq.read_table(out)
    assert_close(found["prediction"].to_numpy()[rows], want.mean(1))
    np.testing.assert_allclose(found["spread"].to_numpy()[rows], want.std(1), rtol=1e-2, atol=1e-5)
    assert found["text"].to_pylist() == SMILES
    assert found["row_id"].to_pylist() == list(range(36))


def test_a_class_is_the_most_probable_one_and_probabilities_add_up(
    classified, source, tmp_path
) -> None:
    out = tmp_path / "p.parquet"
    assert call("--checkpoint", classified, source / "in.csv", "-o", out).exit_code == 0
    found = pq.read_table(out)
    high = found["probability_high"].to_numpy()
    _, want = by_row(classified, "probability_high")
    np.testing.assert_allclose(high, want.mean(1), atol=1e-4)
    np.testing.assert_allclose(high + found["probability_low"].to_numpy(), 1, atol=1e-5)
    guesses = ["high" if p >= 0.5 else "low" for p in high]
    assert found["prediction"].to_pylist() == guesses


def test_seeds_with_one_frozen_encoder_share_it(tuned, classified) -> None:
    assert len(Predictor(classified)._encoders) == 1
    assert len(Predictor(tuned)._encoders) == 2


@pytest.mark.parametrize("kind", ["parquet", "csv", "npz"])
@pytest.mark.parametrize("task", ["tuned", "classified"])
def test_a_text_that_cannot_be_read_has_no_prediction_and_a_reason(
    request, tmp_path, kind, task
) -> None:
    model, out = request.getfixturevalue(task), tmp_path / f"p.{kind}"
    texts = ["--text", SMILES[0], "--text", "no molecule", "--text", SMILES[1]]
    result = call("--checkpoint", model, *texts, "-o", out, "--max-reject-frac", 1)
    assert result.exit_code == 0, result.output
    if kind == "npz":
        found = np.load(out, allow_pickle=False)
        bad = found["prediction"][1]
        assert np.isnan(bad) if task == "tuned" else bad == ""
        assert found["reason"][1].startswith("parse")
        assert found["reason"][[0, 2]].tolist() == ["", ""]
    elif kind == "csv":
        rows = list(csv.DictReader(out.open()))
        assert [row["prediction"] != "" for row in rows] == [True, False, True]
        assert rows[1]["reason"].startswith("parse")
    else:
        rows = pq.read_table(out).to_pylist()
        assert [row["prediction"] is not None for row in rows] == [True, False, True]
        assert rows[1]["reason"].startswith("parse")
        if task == "classified":
            assert rows[1]["probability_high"] is None


def test_exact_predictions_agree(tuned, source, tmp_path) -> None:
    out = tmp_path / "p.npz"
    assert call("--checkpoint", tuned, source / "in.csv", "-o", out, "--exact").exit_code == 0
    rows, want = by_row(tuned, "prediction")
    assert_close(np.load(out)["prediction"][rows], want.mean(1))


def test_one_model_of_a_run_predicts_alone(tuned, source, tmp_path) -> None:
    one = tuned / "seed-1" / "model"
    out = tmp_path / "p.npz"
    assert call("--checkpoint", one, source / "in.csv", "-o", out).exit_code == 0
    found = np.load(out)
    rows, want = by_row(tuned, "prediction")
    assert_close(found["prediction"][rows], want[:, 1])
    assert not found["spread"].any()


def test_vectors_of_a_fine_tuned_encoder_need_the_name_of_the_seed(tuned, source, tmp_path) -> None:
    arguments = ["--checkpoint", tuned, source / "in.csv", "-o", tmp_path / "e.npz"]
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 1
    assert "seed-0/model" in result.stderr
    arguments[1] = tuned / "seed-0" / "model"
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--checkpoint", "RUN", "INPUT", "-o", "OUT.zarr"], 1, ".parquet, .csv, .npz"),
        (["--checkpoint", "RUN", "INPUT", "-o", "no/such/p.csv"], 1, "in an existing folder"),
        (["--checkpoint", "nowhere", "INPUT", "-o", "OUT.csv"], 1, "no fine-tuned model"),
        (["--checkpoint", "RUN", "INPUT", "-o", "OUT.csv", "--level", "atom"], 2, "leave out"),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(
    tuned, source, tmp_path, arguments, code, words
) -> None:
    names = {"RUN": tuned, "INPUT": source / "in.csv"}
    given = [str(names.get(a, a)).replace("OUT", str(tmp_path / "out")) for a in arguments]
    result = call(*given)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_damaged_head_is_refused(tuned, source, tmp_path) -> None:
    shutil.copytree(tuned, tmp_path / "run")
    head = tmp_path / "run" / "seed-1" / "model" / "head.safetensors"
    data = bytearray(head.read_bytes())
    data[-1] ^= 1
    head.write_bytes(data)
    result = call("--checkpoint", tmp_path / "run", source / "in.csv", "-o", tmp_path / "p.csv")
    assert result.exit_code == 1
    assert "checksum does not match" in result.stderr
    assert not (tmp_path / "p.csv").exists()


def test_pre_training_starts_from_a_fine_tuned_encoder(tuned, source, tmp_path) -> None:
    from pepland_cli.train import main as train

    arguments = ["--shards", source / "store", "--init-from", tuned / "seed-0" / "model",
                 "--hidden", 16, "--depth", 2, "--max-steps", 1, "--batch-size", 8,
                 "--device", "cpu", "--out", tmp_path / "run"]  # fmt: skip
    result = CliRunner().invoke(train, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert "the heads are new" in result.stderr


def test_a_head_of_another_version_is_one_sentence(tuned, tmp_path) -> None:
    from pepland_model.run.checkpoint import CheckpointError, read_checkpoint, write_checkpoint

    folder = tmp_path / "model"
    shutil.copytree(tuned / "seed-0" / "model", folder)
    old = read_checkpoint(folder)
    head = {f"{name}.old": value for name, value in old.tensors["head"].items()}
    kept = ("model.safetensors", "config.json")

    def encoder(folder_of_copy) -> None:
        for name in kept:
            shutil.copy(tuned / "seed-0" / "model" / name, folder_of_copy)

    write_checkpoint(folder, old.state, {"head": head}, encoder)
    with pytest.raises(CheckpointError, match="not of this version"):
        Predictor(folder)
