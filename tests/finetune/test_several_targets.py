"""A regression of several columns at once: values may be missing, and each has its own figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from torch.nn.functional import smooth_l1_loss

from pepland_cli.embed import main as embed
from pepland_cli.train import main as train
from pepland_data import BuildOptions, build, open_store
from pepland_data.errors import InputError
from pepland_model.finetune.metrics import metrics_by_target, metrics_of, regression_metrics
from pepland_model.finetune.predictor import Predictor
from pepland_model.finetune.targets import read_targets, target_names
from pepland_model.finetune.task_data import open_task
from pepland_model.finetune.task_network import HUBER, Task
from pepland_model.finetune.trouble import constant_predictions
from pepland_model.run.checkpoint import CheckpointError
from pepland_model.run.config import task_defaults, with_flags
from pepland_model.run.load_encoder import load_encoder
from tests.helpers.page_reader import Reader, check_alone
from tests.helpers.stores import sixty_smiles
from tests.helpers.train_worker import finetune_small

ALL = "size,N_*"
NAMES = ("size", "N_few", "N_all")


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> tuple[Path, Path]:
    """Two stores: one with sizes and counts of nitrogen, few or all; one without the few."""
    folder = tmp_path_factory.mktemp("several")
    made = []
    for part, texts in enumerate(np.array_split(sixty_smiles(), 2)):
        head = (
            "smiles,size,name,N_few,N_all,always" if part == 0 else "smiles,size,name,N_all,always"
        )
        lines = [head]
        for i, smiles in enumerate(texts):
            few = [str(smiles.count("N")) if i % 3 == 0 else ""] if part == 0 else []
            found = [smiles, str(len(smiles)), f"x{i}", *few, str(smiles.count("N")), "5"]
            lines.append(",".join(found))
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        build(folder / f"{part}.csv", folder / f"store-{part}", BuildOptions(rows_per_shard=10))
        made.append(folder / f"store-{part}")
    return made[0], made[1]


@pytest.fixture(scope="module")
def run(stores, tmp_path_factory):
    """A run of two seeds that predicts three columns of both stores."""
    out = tmp_path_factory.mktemp("several-run") / "run"
    flags = {"target": ALL, "shards": tuple(map(str, stores)), "epochs": 15, "seeds": 2}
    return out, finetune_small(stores[0], out, pictures=True, **flags)


def test_names_are_columns_and_patterns_of_columns_of_numbers(stores) -> None:
    opened = [open_store(path) for path in stores]
    assert target_names(opened, ALL, "regression") == NAMES
    assert target_names(opened, "N_all, size", "regression") == ("N_all", "size")
    assert target_names(opened, "*", "regression") == (*NAMES, "always")
    assert target_names(opened, "size", "regression") == ("size",)
    for text in ("size,none", "x*", "size,", ""):
        with pytest.raises(InputError, match=r"has no column .*; it has size, name, N_few"):
            target_names(opened, text, "regression")


def test_a_column_whose_name_has_a_comma_is_one_target(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('smiles,"a, b"\nCC,1\nCCO,2\n', encoding="utf-8")
    build(tmp_path / "in.csv", tmp_path / "store")
    assert target_names([open_store(tmp_path / "store")], "a, b", "regression") == ("a, b",)


def test_a_store_may_lack_one_of_several_targets_but_not_the_only_one(stores) -> None:
    opened = [open_store(path) for path in stores]
    values, _ = read_targets(opened, NAMES, "regression")
    assert values.shape == (60, 3)
    assert np.isnan(values[:, 1]).sum() == 60 - 10
    assert not np.isnan(values[:, [0, 2]]).any()
    with pytest.raises(InputError, match=r"store-1 has no column 'N_few'"):
        read_targets(opened, ("N_few",), "regression")


def test_the_loss_counts_the_known_values() -> None:
    task = Task("regression", ("a", "b"), mean=(1.0, 10.0), std=(2.0, 5.0))
    outputs = torch.randn(4, 2, requires_grad=True)
    target = torch.tensor([[1.0, torch.nan], [3.0, 20.0], [torch.nan, 0.0], [9.0, 10.0]])
    known = torch.tensor([[0, 0], [1, 0], [3, 0], [1, 1], [2, 1], [3, 1]])
    scaled = torch.tensor([0.0, 1.0, 4.0, 2.0, -2.0, 0.0])
    want = smooth_l1_loss(outputs[known[:, 0], known[:, 1]], scaled, reduction="sum", beta=HUBER)
    found = task.loss_sum(outputs, target)
    torch.testing.assert_close(found, want)
    assert task.weight_sum(target) == 6
    (gradient,) = torch.autograd.grad(found, outputs)
    assert gradient.isfinite().all()
    assert (gradient[0, 1], gradient[2, 0]) == (0, 0)


def test_means_and_deviations_are_those_of_the_training_peptides(stores, run) -> None:
    given = {"task": "regression", "target": ALL, "shards": tuple(map(str, stores))}
    config = with_flags(task_defaults("regression"), given)
    data = open_task(config, 0)
    task = data.task(config)
    train = data.targets[data.sets["train"]].astype(np.float64)
    np.testing.assert_allclose(task.mean, np.nanmean(train, 0))
    np.testing.assert_allclose(task.std, np.nanstd(train, 0))
    assert Predictor(run[0]).task == task
    assert "targets size N_few N_all" in data.text()


def test_figures_of_several_targets_are_means_over_those_that_vary() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=(30, 4)) * [1, 100, 1, 0] + 7
    target[::2, 1], target[:, 2] = np.nan, np.nan  # half, and all, are missing
    guess = target * 0.9 + rng.normal(size=(30, 4))
    guess[np.isnan(guess)] = 3.0
    each = metrics_by_target(target, guess)
    half = regression_metrics(target[1::2, 1], guess[1::2, 1])
    assert each[1] == half
    assert np.isnan(each[2]["r2"])
    found = metrics_of(target, guess, ())
    assert found["r2"] == pytest.approx((each[0]["r2"] + half["r2"]) / 2)
    scaled = each[0]["mae"] / target[:, 0].std(), half["mae"] / target[1::2, 1].std()
    assert found["mae"] == pytest.approx(sum(scaled) / 2)


def test_each_target_has_its_figures_those_of_the_predictions_in_the_file(run) -> None:
    out, summary = run
    assert set(summary["by_target"]) == {"train", "valid", "test"}
    for one in summary["by_seed"]:
        filters = [("seed", "=", one["seed"]), ("set", "=", "test")]
        table = pq.read_table(out / "predictions.parquet", filters=filters).to_pandas()
        for name in NAMES:
            known = table[table[f"target_{name}"].notna()]
            measured, guess = (
                known[f"{what}_{name}"].to_numpy() for what in ("target", "prediction")
            )
            want = regression_metrics(measured, guess)
            found = one["by_target"]["test"][name]
            assert {k: np.nan if v is None else v for k, v in found.items()} == pytest.approx(
                want, nan_ok=True, rel=1e-5
            )
    mean = summary["by_target"]["test"]["size"]["mae"]["mean"]
    assert mean == pytest.approx(
        np.mean([one["by_target"]["test"]["size"]["mae"] for one in summary["by_seed"]])
    )


def test_all_targets_are_learned(run) -> None:
    for name in ("size", "N_all"):
        assert run[1]["by_target"]["train"][name]["r2"]["mean"] > 0.5


def test_the_ensemble_has_the_mean_predictions(run) -> None:
    out, summary = run
    table = pq.read_table(out / "predictions.parquet", filters=[("set", "=", "test")]).to_pandas()
    rows = table.groupby(["store", "row_id"])
    target, guess = (
        np.stack([rows[f"{what}_{name}"].mean() for name in NAMES], 1)
        for what in ("target", "prediction")
    )
    want = metrics_of(target.astype(np.float64), guess.astype(np.float64), ())
    assert summary["ensemble"]["test"]["r2"] == pytest.approx(want["r2"], rel=1e-4)
    assert summary["ensemble"]["test"]["error_per_spread"] > 0


def test_the_baseline_has_trees_for_each_target_and_none_for_many(run, stores, tmp_path) -> None:
    pytest.importorskip("sklearn")
    assert set(run[1]["baseline"]["test"]) == {"mae", "rmse", "r2", "spearman"}
    lines = (
        f"{smiles},{','.join(str(len(smiles) + i) for i in range(11))}" for smiles in sixty_smiles()
    )
    head = "smiles," + ",".join(f"c{i}" for i in range(11))
    (tmp_path / "in.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    build(tmp_path / "in.csv", tmp_path / "store")
    found = finetune_small(tmp_path / "store", tmp_path / "run", target="*", epochs=1, seeds=1)
    assert found["baseline"] == {}
    assert "no baseline of boosted trees: 11 targets, more than 10" in found["warnings"][-1]


def test_the_report_has_a_row_and_a_picture_for_each_target(run) -> None:
    page = (run[0] / "report.html").read_text(encoding="utf-8")
    check_alone(page)
    assert "By target, set test" in page
    for name in NAMES:
        assert f'<th scope="row">{name}</th>' in page
    for name in ("size", "N_all"):
        assert f"Measured and predicted, set test: {name}" in page
    assert Reader(page).tags.count("svg") == 2 + 2  # no test peptide has a value of N_few


def test_new_peptides_have_a_prediction_and_a_spread_of_each_target(run, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("smiles\nNCC(=O)O\nno peptide\n", encoding="utf-8")
    words = ["--checkpoint", run[0], "--predict", tmp_path / "new.csv", "--device", "cpu"]
    for ending in ("parquet", "csv", "npz"):
        out = tmp_path / f"p.{ending}"
        result = CliRunner().invoke(
            embed, [*map(str, words), "-o", str(out), "--max-reject-frac", "1"]
        )
        assert result.exit_code == 0, result.output
        assert "regression of size, N_few, N_all, mean of 2 models" in result.output
    table = pq.read_table(tmp_path / "p.parquet")
    values = [f"{what}_{name}" for what in ("prediction", "spread") for name in NAMES]
    assert table.column_names == ["row_id", "text", *values, "reason"]
    assert all(table[name][0].as_py() is not None for name in values)
    assert all(table[name][1].as_py() is None for name in values)
    assert (tmp_path / "p.csv").read_text("utf-8").startswith('"row_id","text","prediction_size"')
    assert np.isnan(np.load(tmp_path / "p.npz")["prediction_size"][1])


def test_a_run_of_the_command_says_each_target_and_is_a_start_for_another(
    stores, tmp_path: Path
) -> None:
    common = ["--task", "regression", "--shards", stores[0], "--epochs", 1, "--device", "cpu"]
    words = ["--target", ALL, "--hidden", 16, "--depth", 2, "--out", tmp_path / "many"]
    result = CliRunner().invoke(train, [*map(str, common), *map(str, words)])
    assert result.exit_code == 0, result.output
    assert "regression of size,N_*, 1 of 1 models" in result.output
    for name in NAMES:
        assert f"  test {name}: mae " in result.output
    words = ["--target", "N_all", "--init-from", tmp_path / "many", "--out", tmp_path / "one"]
    result = CliRunner().invoke(train, [*map(str, common), *map(str, words)])
    assert result.exit_code == 0, result.output
    recorded = json.loads((tmp_path / "one" / "run.json").read_text("utf-8"))
    assert recorded["fingerprint"]["encoder"]
    assert load_encoder(tmp_path / "many").config.hidden == 16


def test_a_run_of_several_models_is_no_single_encoder(run) -> None:
    with pytest.raises(CheckpointError, match="has 2 models; name one of them"):
        load_encoder(run[0])


def test_constants_among_several_targets_hide_nothing() -> None:
    task = Task("regression", ("a", "b"), mean=(0.0, 0.0), std=(1.0, 1.0))
    target = np.array([[1.0, 5.0], [2.0, 5.0], [np.nan, np.nan]])
    varied = np.array([[1, 5], [2, 5], [3, 5]], np.float32)
    assert constant_predictions(task, varied, target) == ""
    assert "(2, 5)" in constant_predictions(task, varied * 0 + [[2, 5]], target)
    assert constant_predictions(task, varied * 0, target * [0, 1]) == ""  # no target varies


def test_a_constant_among_the_targets_is_no_obstacle(stores, tmp_path: Path) -> None:
    flags = {"target": "*", "epochs": 1, "seeds": 1}
    summary = finetune_small(stores[0], tmp_path / "run", **flags)
    assert summary["by_target"]["test"]["always"]["r2"]["mean"] is None
    assert summary["metrics"]["test"]["r2"]["mean"] is not None
    with pytest.raises(InputError, match="have always 5, so there is nothing to learn"):
        finetune_small(stores[0], tmp_path / "other", target="always", epochs=1, seeds=1)


def test_a_model_of_an_earlier_version_with_one_target_is_read() -> None:
    old = {
        "kind": "regression",
        "target": "y",
        "classes": [],
        "mean": 3.0,
        "std": 2.0,
        "weights": [],
    }
    assert Task.from_dict(old) == Task("regression", ("y",), mean=(3.0,), std=(2.0,))


def test_a_classification_has_one_column(stores, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'size,N_\*' to predict"):
        finetune_small(stores[0], tmp_path / "run", task="classification", target=ALL, seeds=1)
