"""``bench_downstream frozen``: the splits that count, figures of known data, going on."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("lightgbm")
pytest.importorskip("rdkit")
pytest.importorskip("matplotlib")
from benchmarks.bench_downstream import main
from benchmarks.downstream.cells import Cells
from benchmarks.downstream.features import COUNTS, ECFP
from benchmarks.downstream.tasks import SETS, read_task

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


def run(data, out, *more: str):
    options = ["--data", data, "--hidden", 8, "--results", out, "--scratch", out / "scratch"]
    command = ["frozen", *map(str, options), "--seeds", "1", *more]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    new = sum(int(n) for n in re.findall(r"(\d+) new fits", result.output))
    return new, json.loads((out / "downstream_frozen.json").read_text(encoding="utf-8"))


def test_thresholds_are_tenths_with_a_test_set_that_is_large_enough(data) -> None:
    task = read_task("nc-cpp", data)
    assert list(task.splits) == ["0.3", "0.5", "random"]
    assert [len(part) for part in task.splits["0.3"].values()] == [72, 24, 24]
    permeability = read_task("permeability", data)
    assert permeability.regression
    assert list(permeability.splits) == ["split1"]
    assert permeability.splits["split1"]["test"].tolist() == list(range(96, 120))


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
    import torch

    from pepland_model import PharmHGT, PharmHGTConfig

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


def test_an_empty_file_of_fits_has_none(tmp_path) -> None:
    cells = Cells(tmp_path / "cells.jsonl")
    assert cells.get(["a"]) is None
    cells.put(["a", 0], {"test": {"mcc": 0.5}})
    assert Cells(tmp_path / "cells.jsonl").get(["a", 0]) == {"test": {"mcc": 0.5}}
