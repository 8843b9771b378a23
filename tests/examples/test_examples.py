"""Each example runs on a small store and learns; the job scripts run with SLURM's variables."""

from __future__ import annotations

import math
import os
import re
import runpy
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean

import pytest

from pepland_data import build, open_store
from pepland_model.run.log import events
from tests.helpers.paths import ROOT
from tests.helpers.stores import files_of, sixty_smiles, write_rows

EXAMPLES = ROOT / "examples"
NEEDS = {
    "plain_torch": "torch", "lightning_trainer": "lightning", "accelerate_loop": "accelerate",
    "pyg_model": "torch_geometric", "dgl_model": "dgl",
}  # fmt: skip
LOSSES = {"plain_torch": 8, "lightning_trainer": 8, "accelerate_loop": 4 * 3}
"""How many losses are printed; the others print one in each of 12 epochs."""
ASKED = {"accelerate_loop": "4"}
"""Epochs, of three steps each; the others are asked for as many as they print."""
SHIMS = {
    "pepland-data": f'exec {sys.executable} -m pepland_data "$@"',
    "torchrun": f'exec {sys.executable} -m torch.distributed.run "$@"',
    "srun": 'exec "$@"',
    "scontrol": "echo localhost",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    rows = "".join(f"{text},{len(text)}\n" for text in sixty_smiles())
    (folder / "in.csv").write_text(f"smiles,length\n{rows}", encoding="utf-8")
    build(folder / "in.csv", folder / "store")
    return folder / "store"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NEEDS)
def test_an_example_runs_and_its_loss_falls(
    name: str, store: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    if not find_spec(NEEDS[name]):
        pytest.skip(f"{NEEDS[name]} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.syspath_prepend(EXAMPLES)
    count = LOSSES.get(name, 12)
    monkeypatch.setattr(sys, "argv", [name, str(store), "length", ASKED.get(name, str(count))])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    losses = [float(text) for text in re.findall(r"loss (\S+)$", capsys.readouterr().out, re.M)]
    assert len(losses) == count
    assert all(math.isfinite(loss) for loss in losses)
    assert fmean(losses[-3:]) < losses[0]


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a job: SLURM's commands, and those of the project."""
    (tmp_path / "bin").mkdir()
    for name, line in SHIMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def job(script: str, words: list[str], machine: dict[str, str], folder: Path, **variables: str):
    command = ["bash", str(EXAMPLES / script), *words]
    environment = {**machine, **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("script", sorted(p.name for p in EXAMPLES.glob("*.sbatch")))
def test_a_job_script_is_correct_bash(script: str) -> None:
    assert subprocess.run(["bash", "-n", str(EXAMPLES / script)], check=False).returncode == 0


def test_the_parts_of_an_array_are_merged_to_the_bytes_of_one_build(
    tmp_path: Path, machine: dict[str, str]
) -> None:
    write_rows(tmp_path / "peptides.csv", range(4, 7))
    words = ["peptides.csv", "parts", "--rows-per-shard", "1"]
    for number in ("1", "2"):
        slurm = {"SLURM_ARRAY_TASK_ID": number, "SLURM_ARRAY_TASK_COUNT": "2",
                 "SLURM_CPUS_PER_TASK": "1"}  # fmt: skip
        done = job("build_array.sbatch", words, machine, tmp_path, **slurm)
        assert done.returncode == 0, done.stderr
    merge = re.search(r'--wrap "pepland-data (merge .*)"', script_text("build_array.sbatch"))
    assert merge
    shell = (
        f"pepland-data {merge[1]} && pepland-data build peptides.csv --out whole --rows-per-shard 1"
    )
    subprocess.run(["bash", "-c", shell], cwd=tmp_path, env=machine, check=True)
    assert files_of(tmp_path / "data") == files_of(tmp_path / "whole")
    assert len(open_store(tmp_path / "data")) == 3


def test_two_processes_train_under_torchrun(
    store: Path, tmp_path: Path, machine: dict[str, str]
) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    slurm = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "1", "SLURM_GPUS_ON_NODE": "2",
             "SLURM_JOB_ID": "7", "PORT": port}  # fmt: skip
    words = ["--shards", str(store), "--out", "run", "--hidden", "16", "--depth", "2",
             "--batch-size", "8", "--device", "cpu"]  # fmt: skip
    done = job("train_nodes.sbatch", [*words, "--max-steps", "2"], machine, tmp_path, **slurm)
    assert done.returncode == 0, done.stderr
    assert "after 2 steps" in done.stdout
    assert len(list(events(tmp_path / "run", "start"))) == 1


def script_text(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def test_the_table_has_every_example() -> None:
    page = script_text("README.md")
    files = {p.name for p in EXAMPLES.iterdir() if p.suffix in (".py", ".sbatch")}
    assert set(re.findall(r"\]\((\w+\.\w+)\)", page)) == files
    links = re.findall(r"\]\(([^)#]+)", page)
    assert all((EXAMPLES / link).exists() for link in links)
