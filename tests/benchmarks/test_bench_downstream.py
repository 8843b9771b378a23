"""``bench_downstream``: the splits that count, figures of known data, leaks, going on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

pytest.importorskip("lightgbm")
pytest.importorskip("rdkit")
pytest.importorskip("matplotlib")
from benchmarks.bench_downstream import main
from benchmarks.downstream.cells import Cells
from benchmarks.downstream.features import COUNTS, ECFP
from benchmarks.downstream.tasks import CLASSIFIED, SETS, as_meant, read_task
from benchmarks.downstream.tuned import Tuned, all_tuned
from pepland_model import PharmHGT, PharmHGTConfig

ROWS = 120
RESIDUES = ["NCC(=O)", "N[C@@H](C)C(=O)", "N[C@@H](CO)C(=O)", "N[C@@H](CCCCN)C(=O)"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Peptides whose label is whether they have lysine, and permeability their length."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    residues = [rng.integers(0, 4, rng.integers(3, 9)).tolist() for _ in range(ROWS)]
    smiles = ["".join(RESIDUES[r] for r in peptide) + "O" for peptide in residues]
    rows = [f"{text},{int(3 in peptide)}" for text, peptide in zip(smiles, residues, strict=True)]
    (folder / "nc-cpp.csv").write_text("smiles,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    at = dict(zip(SETS, np.split(np.arange(ROWS), [72, 96]), strict=True))
    sets = {name: part.tolist() for name, part in at.items()}
    few = {**sets, "test": sets["test"][:22]}  # 18.3 % of the rows
    found = {"0.1": few, "0.25": sets, "0.3": sets, "0.5": sets, "random": sets}
    (folder / "nc-cpp.partitions.json").write_text(json.dumps(found), encoding="utf-8")
    named = np.empty(ROWS, object)
    for name, part in at.items():
        named[part] = name
    rows = [f"{s},{-len(p)}.5,{n}" for s, p, n in zip(smiles, residues, named, strict=True)]
    text = "smiles,pampa,split1\n" + "\n".join(rows) + "\n"
    (folder / "permeability.csv").write_text(text, encoding="utf-8")
    return folder


def run(data, out, *more: str, command: str = "frozen"):
    options = ["--data", data, "--hidden", 8, "--results", out, "--scratch", out / "scratch"]
    words = [command, *map(str, options), "--seeds", "1", *more]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    new = sum(int(n) for n in re.findall(r"(\d+) new splits", result.output))
    return new, json.loads((out / f"downstream_{command}.json").read_text(encoding="utf-8"))


def test_thresholds_are_tenths_with_a_test_set_that_is_large_enough(data) -> None:
    task = read_task("nc-cpp", data)
    assert list(task.splits) == ["0.3", "0.5", "random"]
    assert [len(task.splits["0.3"][name]) for name in SETS] == [72, 24, 24]
    permeability = read_task("permeability", data)
    assert permeability.regression
    assert list(permeability.splits) == ["split1"]
    assert permeability.splits["split1"]["test"].tolist() == list(range(96, 120))
    lines = (data / "permeability.csv").read_text(encoding="utf-8").splitlines()[1:]
    measured = [float(line.split(",")[1]) for line in lines]
    assert min(measured) == -8.5
    assert permeability.targets.tolist() == [max(value, -8.0) for value in measured]


def test_a_run_goes_on_after_its_last_fit(data, tmp_path) -> None:
    tasks = ["--task", "nc-cpp", "--task", "permeability"]
    new, found = run(data, tmp_path, *tasks)
    assert new == 5 * (3 + 1)
    cells = tmp_path / "scratch" / "cells.jsonl"
    lines = cells.read_text(encoding="utf-8").splitlines(keepends=True)
    cells.write_text("".join(lines[:-2]) + lines[-2][:40], encoding="utf-8")
    new, again = run(data, tmp_path, *tasks)
    assert new == 2
    assert again["results"] == found["results"]
    assert str(tmp_path) not in json.dumps(again)
    assert (tmp_path / "downstream_frozen.png").stat().st_size > 1000


def test_other_weights_or_settings_are_not_taken_for_the_same(data, tmp_path) -> None:
    assert run(data, tmp_path, "--task", "nc-cpp")[0] == 15
    assert run(data, tmp_path, "--task", "nc-cpp", "--hidden", "12")[0] == 9


def test_counts_find_what_is_a_matter_of_composition(data, tmp_path) -> None:
    tasks = run(data, tmp_path, "--task", "nc-cpp", "--task", "permeability")[1]["results"]["tasks"]
    rows = tasks["nc-cpp"]["rows"]
    assert set(rows) == {*(f"untrained: {r}" for r in ("mean", "rounds", "full")), COUNTS, ECFP}
    assert rows[COUNTS]["test"]["mcc"]["mean"] > 0.9
    assert rows[COUNTS]["valid"]["mcc"]["n"] == 1
    length = tasks["permeability"]["rows"][COUNTS]["test"]
    assert length["mae"]["mean"] < 0.6
    assert length["r2"]["mean"] > 0.7
    assert tasks["permeability"]["published"]["AttentiveFP"] == {"mae": 0.367}


def test_a_checkpoint_has_rows_of_its_own_and_a_name_only_once(data, tmp_path) -> None:
    torch.manual_seed(1)
    for folder in ("a/net", "b/net"):
        PharmHGT(PharmHGTConfig(hidden=8, depth=2)).save(tmp_path / folder)
    one = ("--task", "nc-cpp", "--checkpoint", str(tmp_path / "a" / "net"))
    new, found = run(data, tmp_path, *one)
    assert new == 24
    assert "net: rounds" in found["results"]["tasks"]["nc-cpp"]["rows"]
    twice = ["frozen", *one, "--checkpoint", str(tmp_path / "b" / "net")]
    result = CliRunner().invoke(main, twice)
    assert result.exit_code == 2
    assert "same name" in result.output


def test_an_empty_file_has_no_figures(data, tmp_path) -> None:
    task, row = read_task("nc-cpp", data), Tuned("untrained", "{}")
    cells = Cells(tmp_path / "cells.jsonl")
    assert cells.get(task, row, 0, "0.3") is None
    cells.put(task, row, 0, "0.3", {"test": {"mcc": 0.5}})
    again = Cells(tmp_path / "cells.jsonl")
    assert again.get(task, row, 0, "0.3") == {"test": {"mcc": 0.5}}
    assert again.get(task, row, 1, "0.3") is None


def test_clean_figures_do_not_know_the_test_rows(data, tmp_path) -> None:
    """Labels are drawn by chance: who has seen the test rows can tell them, nobody else can."""
    folder = tmp_path / "leak"
    folder.mkdir()
    rng = np.random.default_rng(3)
    lines = (data / "nc-cpp.csv").read_text(encoding="utf-8").splitlines()[1:]
    texts = sorted({line.split(",")[0] for line in lines})
    assert len(texts) > 100
    rows = [f"{text},{rng.integers(0, 2)}" for text in texts]
    (folder / "nc-cpp.csv").write_text("smiles,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    last = len(texts)
    sets = {"train": [*range(last - 20)], "valid": [*range(last - 20, last)], "test": [*range(60)]}
    partitions = json.dumps({"0.5": sets})
    (folder / "nc-cpp.partitions.json").write_text(partitions, encoding="utf-8")
    found = run(folder, tmp_path, "--task", "nc-cpp")[1]["results"]["tasks"]["nc-cpp"]
    assert found["test rows in training"] == {"0.5": 1.0}
    row = found["rows"][ECFP]
    assert row["test"]["mcc"]["mean"] > 0.6
    assert abs(row["clean"]["mcc"]["mean"]) < 0.4


def test_lists_are_places_among_the_rows_that_are_not_tested() -> None:
    lists = {"train": [3, 0], "valid": [2, 1], "test": [1, 4]}  # of six rows: 0, 2, 3, 5 are left
    found = as_meant({name: np.array(rows) for name, rows in lists.items()}, 6)
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "train": [5, 0], "valid": [3, 2], "test": [1, 4],
        "published train": [3, 0], "published valid": [2, 1],
    }  # fmt: skip


@pytest.mark.parametrize("name", CLASSIFIED)
def test_published_lists_are_places_in_all_partitions(name: str, shared_dir: Path) -> None:
    task = read_task(name, shared_dir / "data" / "benchmark")
    for split, sets in task.splits.items():
        every = np.concatenate([sets[part] for part in SETS])
        assert np.array_equal(np.sort(every), np.arange(len(task.smiles)))
        assert task.leak(split) > 0.3


def test_other_lists_are_rows_and_lose_those_of_the_test_set() -> None:
    lists = {"train": [5, 1, 0], "valid": [2, 4], "test": [4, 3]}
    found = as_meant({name: np.array(rows) for name, rows in lists.items()}, 6)
    assert (found["train"].tolist(), found["valid"].tolist()) == ([5, 1, 0], [2])
    assert found["published valid"].tolist() == [2, 4]


def test_encoders_are_trained_once_per_training_set_and_kept(data, tmp_path) -> None:
    few = ("--task", "nc-cpp", "--task", "permeability", "--epochs", "2", "--batch-size", "24")
    new, found = run(data, tmp_path, *few, command="tuned")
    assert new == 3 + 1
    tasks = found["results"]["tasks"]
    assert found["results"]["settings"]["pepland-train"]["epochs"] == 2
    assert -1 <= tasks["nc-cpp"]["rows"]["untrained, fine-tuned"]["clean"]["mcc"]["mean"] <= 1
    assert tasks["permeability"]["rows"]["untrained, fine-tuned"]["test"]["mae"]["mean"] < 5
    assert len(list((tmp_path / "scratch" / "runs").iterdir())) == 2
    assert run(data, tmp_path, *few, command="tuned")[0] == 0


def test_a_tuned_run_starts_from_a_checkpoint(data, tmp_path) -> None:
    PharmHGT(PharmHGTConfig(hidden=8, depth=2)).save(tmp_path / "net")
    rows = all_tuned([str(tmp_path / "net")], {"hidden": 8, "epochs": 1})
    assert [row.name for row in rows] == ["untrained, fine-tuned", "net, fine-tuned"]
    assert rows[1].flags["init_from"] == str(tmp_path / "net")
    task = read_task("nc-cpp", data)
    found = rows[1].scores(task, 0, tmp_path).of(task.splits["0.5"])
    assert set(found["test"]) <= {0.0, 1.0}
    assert len(found["valid"]) == len(task.splits["0.5"]["valid"])
