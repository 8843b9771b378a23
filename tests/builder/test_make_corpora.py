"""The example that makes the stores of both stages, on files of a few rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pepland_data import open_store
from tests.helpers.monomer_files import MOLECULES, write_library
from tests.helpers.paths import ROOT
from tests.helpers.stores import files_of

SCRIPT = ROOT / "examples" / "make_corpora.py"
OTHER = "CC(C)C[C@@H]1NC(=O)[C@H](Cc2ccccc2)NC(=O)CNC(=O)[C@H](CO)NC1=O"
BESIDE = "PEPTIDE1{R.[dK].W.D.[dL].F.H.E}$$$$"


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Four files of peptides, two benchmark tasks, and what stands for them on the command line."""
    folder = tmp_path_factory.mktemp("fetched")
    helm, smiles = next(iter(MOLECULES.items()))
    long = "WKLE" * 20
    files = {
        "--canonical": [
            write(folder / "a.fasta", ">a", "ACDEFGHIKL", ">b", "MKWVTFISLL", ">c", "ACDEFGHIKL"),
            write(folder / "b.csv", "sequence,y", "GGSTPPRMVL,1", "MKWVTFISLA,0", f"{long},0"),
        ],
        "--noncanonical": [
            write(folder / "c.csv", "helm", f'"{helm}"', BESIDE, "PEPTIDE1{[none]}$$$$"),
            write(folder / "d.csv", "smiles", OTHER),
        ],
        "--monomers": [str(write_library(folder / "monomers.csv"))],
        "--exclude": [
            write(folder / "x.csv", "sequence,label", "MKWVTFISLL,1"),
            write(folder / "y.csv", "smiles,label", f"{smiles},1"),
        ],
    }
    return [word for option, paths in files.items() for path in paths for word in (option, path)]


def made(out: Path, *arguments: str) -> str:
    """Run the example as a command, and return what it prints."""
    command = [sys.executable, str(SCRIPT), "--out", str(out), "--workers", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_stages_are_without_duplicates_long_peptides_and_benchmark_rows(
    tmp_path: Path, arguments: list[str]
) -> None:
    shown = made(tmp_path, *arguments)
    first, second = open_store(tmp_path / "stage-1"), open_store(tmp_path / "stage-2")
    assert first.smiles[:] == ["ACDEFGHIKL", "GGSTPPRMVL"]
    assert second.smiles[:] == [BESIDE, OTHER]
    why = [(r["row_id"], r["stage"], r["reason"]) for r in first.rejects]
    assert why[0] == (1, "excluded", "the molecule of row 0 of x.csv")
    assert why[1][:2] == (2, "duplicate")
    assert why[2] == (4, "excluded", "near row 0 of x.csv")
    assert why[3][:2] == (5, "limits")
    assert [r["stage"] for r in second.rejects] == ["excluded", "parse"]
    for line in ("2 of 4 peptides", "2 of 3 peptides", "1  duplicate: ", "1  near a row of x.csv"):
        assert line in shown
    assert sum(line.startswith("$ pepland-data ") for line in shown.splitlines()) == 8
    before = files_of(tmp_path)
    assert made(tmp_path, *arguments).count("nothing left to do") == 8
    assert files_of(tmp_path) == before


def test_without_tasks_the_joined_store_is_the_result(tmp_path: Path, arguments: list[str]) -> None:
    made(tmp_path, *arguments[:4])
    assert {path.name for path in tmp_path.iterdir()} == {"stage-1-0", "stage-1-1", "stage-1"}
    assert len(open_store(tmp_path / "stage-1")) == 4


def test_a_command_that_fails_ends_the_script(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--out", str(tmp_path), "--canonical", "missing.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "missing.csv" in done.stderr
    assert "merge" not in done.stdout
