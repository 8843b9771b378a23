"""Fine-tuning says when it does not learn, and what baseline and seeds are worth."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from pepland_cli.train import main
from pepland_data import open_store
from pepland_data.draw.figures import COLORS
from pepland_data.errors import InputError
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import write_split
from pepland_model.finetune import baseline as baseline_module
from pepland_model.finetune.baseline import boosted_trees, composition
from pepland_model.finetune.ensemble import calibration_error, ensemble, uncertainty
from pepland_model.finetune.metrics import regression_metrics
from pepland_model.finetune.report import (
    MOST_CLASSES,
    MOST_DOTS,
    confusion,
    figure_text,
    scatter,
    write_finetune_report,
)
from pepland_model.finetune.task_data import open_task
from pepland_model.finetune.task_network import Task
from pepland_model.finetune.task_step import TaskUpdater
from pepland_model.finetune.trouble import (
    constant_predictions,
    no_better_than_mean,
    vanished_gradient,
)
from pepland_model.run.config import task_defaults, with_flags
from pepland_model.run.log import events
from tests.helpers.page_reader import Reader, check_alone
from tests.helpers.train_worker import finetune_small

REGRESSION = Task("regression", ("y",), mean=(5.0,), std=(2.0,))
CLASSES = Task("classification", ("y",), ("a", "b"), weights=(1.0, 1.0))


def test_one_constant_for_all_peptides_is_said_and_varying_ones_are_not() -> None:
    target = np.array([[1.0], [3.0], [9.0]])
    same, varied = np.full((3, 1), 4.2, np.float32), np.array([[1], [2], [3]], np.float32)
    assert "all predictions are the same (4.2)" in constant_predictions(REGRESSION, same, target)
    assert constant_predictions(REGRESSION, varied, target) == ""
    shares = np.array([[0.3, 0.7], [0.3, 0.7]], np.float32)
    assert "(0.3, 0.7)" in constant_predictions(CLASSES, shares, np.array([0, 1]))
    assert constant_predictions(CLASSES, shares[:, ::-1] * [[1], [0.5]], np.array([0, 1])) == ""
    constant_target = np.full((3, 1), 7.0)
    assert constant_predictions(REGRESSION, same, constant_target) == ""


def test_a_loss_above_that_of_the_mean_is_said() -> None:
    assert "mean of the training targets" in no_better_than_mean(REGRESSION, 1.2, 1.1)
    assert "class shares" in no_better_than_mean(CLASSES, 0.7, 0.69)
    assert no_better_than_mean(REGRESSION, 0.9, 1.1) == ""
    assert no_better_than_mean(REGRESSION, None, 1.1) == ""


def test_a_gradient_of_nothing_is_said() -> None:
    assert "vanished" in vanished_gradient(0.0)
    assert vanished_gradient(1e-3) == vanished_gradient(float("nan")) == ""


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_the_constant_that_is_compared_with_is_the_best_one(kind) -> None:
    train, valid = np.arange(4), np.arange(4, 7)
    if kind == "regression":
        targets = torch.tensor([1.0, 2.0, 3.0, 6.0, 1.0, 5.0, 9.0]).unsqueeze(1)
        task = Task(kind, ("y",), mean=(3.0,), std=(2.0,))
        errors = ((targets[4:] - 3) / 2).abs()  # 1, 1, 3
        want = float((errors - 0.25).mean())
    else:
        targets = torch.tensor([0, 0, 0, 1, 1, 0, 1])
        task = Task(kind, ("y",), ("a", "b"), weights=(1.0, 3.0))  # both classes weigh 3
        want = float(np.log(2))
    assert task.constant_loss(targets, {"train": train, "valid": valid}) == pytest.approx(want)


@pytest.mark.parametrize("lr", [1e-5, 1e-3, 1e-2, 1.0])
def test_a_run_never_ends_in_a_constant_without_saying_so(store, tmp_path, lr) -> None:
    summary = finetune_small(store, tmp_path / "run", seeds=1, lr=lr, head_lr=lr)
    rows = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    values = [row["prediction"] for row in rows if row["set"] == "valid"]
    said = any("all predictions are the same" in text for text in summary["warnings"])
    assert said or np.std(values) > 1e-3


def test_a_head_that_ignores_its_input_is_said_at_once_and_once(store, tmp_path, capsys) -> None:
    def constant(self: TaskUpdater, batch: object) -> torch.Tensor:
        outputs = self.network(batch).float()
        return outputs * 0 + 9

    with mock.patch.object(TaskUpdater, "outputs", constant):
        summary = finetune_small(store, tmp_path / "run", seeds=1, epochs=3)
    said = capsys.readouterr().err
    assert said.count("all predictions are the same") == 1
    assert said.count("the gradient has vanished") == 1
    first = next(iter(events(tmp_path / "run" / "seed-0", "warning")))
    assert first["step"] <= 3
    assert any("is not below that of the mean" in text for text in summary["warnings"])
    assert summary["metrics"]["test"]["spearman"]["mean"] is None


def test_the_baseline_has_the_same_peptides_and_is_shown(store, tmp_path) -> None:
    pytest.importorskip("sklearn")
    arguments = ["--task", "regression", "--target", "affinity", "--shards", str(store),
                 "--split", "random-{seed}", "--hidden", "16", "--depth", "2", "--epochs", "1",
                 "--device", "cpu", "--seeds", "2", "--out", str(tmp_path / "run")]  # fmt: skip
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "boosted trees on fragment counts" in result.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    config = with_flags(
        task_defaults("regression"),
        {"task": "regression", "target": "affinity", "shards": (str(store),),
         "split": "random-{seed}"},
    )  # fmt: skip
    data = open_task(config, 1)
    want = boosted_trees(composition(data.stores), data, True, 1)
    assert summary["by_seed"][1]["baseline"]["test"]["rmse"] == want["test"]["rmse"]
    assert set(summary["baseline"]) == {"valid", "test"}


def test_composition_counts_fragments_over_several_stores(store) -> None:
    opened = open_store(store)
    one, two = composition((opened,)), composition((opened, opened))
    columns = opened.gather(np.arange(len(opened)))
    np.testing.assert_array_equal(one[:, -2], columns.sizes("atom"))
    np.testing.assert_array_equal(one[:, :-2].sum(1), columns.sizes("fragment"))
    np.testing.assert_array_equal(two, np.concatenate([one, one]))
    with mock.patch.object(baseline_module, "MOST_FRAGMENTS", 3):
        assert composition((opened,)).shape == (len(opened), 5)


def test_without_scikit_learn_a_note_says_so(store, tmp_path) -> None:
    with mock.patch("pepland_model.finetune.baseline.has_trees", return_value=False):
        summary = finetune_small(store, tmp_path / "run", seeds=1, epochs=1)
    assert summary["baseline"] == {}
    assert "scikit-learn is not installed" in summary["warnings"][-1]


def test_folds_test_every_peptide_once(store, tmp_path) -> None:
    summary = finetune_small(store, tmp_path / "run", folds=3, seeds=1, epochs=1)
    rows = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    tested = sorted(row["row_id"] for row in rows if row["set"] == "test")
    assert tested == [i for i in range(36) if i != 3]
    assert summary["seeds"] == 3
    by_seed = {s: {r["row_id"]: r["set"] for r in rows if r["seed"] == s} for s in (0, 1, 2)}
    for fold in (0, 1, 2):
        following = by_seed[(fold + 1) % 3]
        of_valid = {row for row, name in by_seed[fold].items() if name == "valid"}
        assert of_valid == {row for row, name in following.items() if name == "test"}
    target, guess = (np.array([r[k] for r in rows if r["set"] == "test"])
                     for k in ("target", "prediction"))  # fmt: skip
    found = summary["ensemble"]["test"]
    assert {k: found[k] for k in ("mae", "r2")} == pytest.approx(
        {k: v for k, v in regression_metrics(target, guess).items() if k in ("mae", "r2")}
    )


def test_folds_are_the_sets_of_a_split(store, tmp_path) -> None:
    opened = open_store(store)
    shares = dict.fromkeys(("a", "b", "c"), 1 / 3)
    split = make_split(opened, "similarity", shares, 0, "thirds")
    write_split(opened, split)
    finetune_small(store, tmp_path / "run", folds=3, split="thirds", seeds=1, epochs=1)
    rows = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    for row in rows:
        if row["set"] == "test":
            assert split.assignment[row["row_id"]] == row["seed"]
    with pytest.raises(InputError, match="has 3 sets and --folds is 2"):
        finetune_small(store, tmp_path / "other", folds=2, split="thirds", seeds=1, epochs=1)


def test_the_ensemble_is_the_mean_over_the_seeds(store, tmp_path) -> None:
    summary = finetune_small(store, tmp_path / "run", split="random-0", seeds=2, epochs=2)
    table = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pandas()
    test = table[table.set == "test"].groupby("row_id")
    want = regression_metrics(test.target.mean().to_numpy(), test.prediction.mean().to_numpy())
    found = summary["ensemble"]["test"]
    assert found["rmse"] == pytest.approx(want["rmse"], rel=1e-5)
    errors = (test.target.mean() - test.prediction.mean()).to_numpy()
    spread = test.prediction.std(ddof=0).to_numpy()
    ratio = np.sqrt(np.mean(errors**2) / np.mean(spread**2))
    assert found["error_per_spread"] == pytest.approx(ratio, rel=1e-4)


def test_calibrated_spreads_and_probabilities_are_called_so() -> None:
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.5, 2, 20_000)
    found = uncertainty(rng.normal(0, spread), np.zeros(20_000), spread)
    assert found["error_per_spread"] == pytest.approx(1, abs=0.03)
    assert found["spread_error_spearman"] > 0.2
    share = rng.uniform(0.5, 1, 20_000)
    hit = (rng.random(20_000) < share).astype(int)
    shares = np.stack([1 - share, share], 1)
    assert calibration_error(hit, shares) < 0.02
    assert calibration_error(1 - hit, shares) > 0.3


def test_one_seed_is_no_ensemble(regression) -> None:
    table = pq.read_table(regression[0] / "predictions.parquet")
    only = table.filter(np.array(table.column("seed")) == 0)
    assert ensemble(only) == {}


def test_the_best_epoch_is_that_of_the_monitored_figure(store, tmp_path) -> None:
    finetune_small(store, tmp_path / "run", seeds=1, epochs=6, monitor="r2")
    evals = list(events(tmp_path / "run" / "seed-0", "eval"))
    done = json.loads((tmp_path / "run" / "seed-0" / "done.json").read_text())
    assert done["best_epoch"] == max(evals, key=lambda e: e["r2"])["epoch"]
    assert done["metrics"]["valid"]["r2"] == max(e["r2"] for e in evals)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"monitor": "mcc"}, "for regression choose from loss, mae"),
        ({"folds": 1}, "choose 2 or more, or 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(flags, words) -> None:
    with pytest.raises(InputError, match=words):
        with_flags(
            task_defaults("regression"), {"task": "regression", "target": "affinity", **flags}
        )


UGLY = "smiles,text,one,constant,few\n" + "".join(
    f"{'C' * (i + 1)}C(=O)NCC(=O)O,>{i},yes,5,{i if i < 3 else ''}\n" for i in range(30)
)


@pytest.fixture(scope="module")
def ugly(tmp_path_factory) -> Path:
    pytest.importorskip("rdkit")
    from pepland_data import build

    folder = tmp_path_factory.mktemp("ugly")
    (folder / "in.csv").write_text(UGLY, encoding="utf-8")
    build(folder / "in.csv", folder / "store")
    return folder / "store"


@pytest.mark.parametrize(
    ("target", "task", "words"),
    [
        ("text", "regression", "'>0'"),
        ("one", "classification", "has 1 different values"),
        ("constant", "regression", "nothing to learn"),
        ("few", "regression", "training peptides|nothing is held out"),
    ],
)
def test_a_target_that_cannot_be_learned_is_one_sentence(
    ugly, tmp_path, target, task, words
) -> None:
    with pytest.raises(InputError, match=words):
        finetune_small(ugly, tmp_path / "run", target=target, task=task, seeds=1, epochs=1)


def test_the_report_has_every_figure_and_warning(regression) -> None:
    out, summary = regression
    page = (out / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    check_alone(page)
    for name, metrics in summary["metrics"].items():
        assert f"Set: {name}" in page
        for found in metrics.values():
            assert figure_text(found) in page
    for found in summary["baseline"].get("test", {}).values():
        assert figure_text(found) in page
    assert Reader(page).tags.count("svg") == 3
    assert "seed 1" in page


def test_the_scatter_has_a_dot_for_each_test_peptide(regression) -> None:
    rows = pq.read_table(regression[0] / "predictions.parquet").to_pylist()
    peptides = {(row["store"], row["row_id"]) for row in rows if row["set"] == "test"}
    page = (regression[0] / "report.html").read_text(encoding="utf-8")
    picture = page.split("Measured and predicted, set test")[2].split("</figure>")[0]
    assert picture.count(f'style="fill: {COLORS[0]}; fill-opacity') == len(peptides)


def test_measured_and_predicted_classes_are_counted(frozen) -> None:
    rows = pq.read_table(frozen[0] / "predictions.parquet", filters=[("set", "=", "test")])
    pairs = Counter((row["target"], row["prediction"]) for row in rows.to_pylist())
    found = confusion(rows)
    assert list(found) == ["high", "low"]
    for name, cells in found.items():
        assert [count for count, _ in cells] == [pairs[name, other] for other in found]
        assert sum(share for _, share in cells) in (0, pytest.approx(1))
    page = (frozen[0] / "report.html").read_text(encoding="utf-8")
    assert Reader(page).tags.count("svg") == 2
    assert "predicted high" in page


def test_many_peptides_are_thinned_and_many_classes_left_out() -> None:
    number = list(range(2 * MOST_DOTS + 1))
    columns = {"set": ["test"] * len(number), "store": ["s"] * len(number), "row_id": number}
    numbers = pa.table({**columns, "target": number, "prediction": number})
    assert "Every peptide of 3" in scatter(numbers, "t").note
    shares = {f"probability_{i}": [0.0] * len(number) for i in range(MOST_CLASSES + 1)}
    assert confusion(pa.table({**columns, **shares})) == {}


def test_names_in_the_report_stay_texts_and_damaged_metrics_are_skipped(frozen, tmp_path) -> None:
    run = Path(shutil.copytree(frozen[0], tmp_path / "<u>run"))
    with (run / "seed-0" / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"kind": "train", "step": 9}\n{"kind": "eval", "step": 9, "loss": "<i>"}\n{\n')
    hostile = {"target": "<script>", "warnings": ["<i>learned nothing</i>"]}
    (path,) = write_finetune_report(run, {**frozen[1], **hostile}).values()
    page = path.read_text(encoding="utf-8")
    assert not {"script", "i", "u"} & set(Reader(page).tags)
    assert "&lt;i&gt;learned nothing" in page


def test_a_run_that_was_stopped_in_its_first_seed_has_a_report(frozen, tmp_path) -> None:
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    nothing = {"metrics": {}, "ensemble": {}, "baseline": {}, "seeds_done": 0, "warnings": []}
    (path,) = write_finetune_report(tmp_path, {**frozen[1], **nothing}).values()
    assert Reader(path.read_text(encoding="utf-8")).tags.count("svg") == 0


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "undefined"),
        (0.25, "0.2500"),
        ({"mean": 1.0, "low": 0.5, "high": 1.5}, "1.0000 (0.5000 to 1.5000)"),
        ({"mean": None, "low": None, "high": None}, "undefined"),
    ],
)
def test_figures_are_written_with_their_interval(found, text) -> None:
    assert figure_text(found) == text
