"""A machine that only loads and trains: no RDKit, no DGL, no Zarr, nothing but what trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.golden_store import write_golden_store
from tests.helpers.paths import ROOT

ABSENT = {"rdkit", "scipy", "joblib", "tqdm", "helmkit", "zarr", "fsspec", "s3fs", "dgl", "pandas",
          "matplotlib", "tensorboard", "dask", "distributed", "sklearn", "torch_geometric",
          "psutil", "mlflow", "moto", "lightning"}  # fmt: skip
HIDE = f"""
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec.__func__
def find_spec(cls, name, path=None, target=None):
    return None if name.split(".")[0] in {ABSENT} else found(cls, name, path, target)
PathFinder.find_spec = classmethod(find_spec)
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python that finds none of those packages."""
    command = [sys.executable, "-c", HIDE + code, *arguments]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, env=alone)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden") / "store"
    return write_golden_store(folder, slice(None), 10).path


def test_the_hidden_packages_are_not_found() -> None:
    assert "ModuleNotFoundError" in python("import rdkit").stderr


def test_a_store_is_trained_on(store, tmp_path) -> None:
    flags = ["--shards", str(store), "--out", str(tmp_path / "run"), "--hidden", "16", "--depth",
             "2", "--batch-size", "8", "--max-steps", "3", "--device", "cpu", "--json"]  # fmt: skip
    ended = python("from pepland_cli.train import main; main()", *flags)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["steps"] == 3


@pytest.mark.parametrize("command", ["info", "tier"])
def test_a_store_is_looked_at(store, command) -> None:
    ended = python("from pepland_cli.data import main; main()", command, str(store), "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)


def test_a_loader_is_measured(store) -> None:
    code = "from pepland_cli.bench import main; main()"
    ended = python(code, "loader", str(store), "--seconds", "0.2", "--json")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", ["loader", "loader_memory", "model", "train", "gpu"])
def test_benchmarks_of_loader_and_network_can_be_started(name) -> None:
    ended = python(f"from benchmarks.bench_{name} import main; main()", "--help")
    assert ended.returncode == 0, ended.stderr


def test_all_tests_for_a_gpu_can_be_collected() -> None:
    names = [
        str(path)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "@pytest.mark.cuda\n" in path.read_text()
    ]
    assert len(names) >= 5
    code = "import pytest; sys.exit(pytest.main(['--collect-only', '-m', 'cuda', *sys.argv[1:]]))"
    ended = python(code, "-p", "no:cacheprovider", *names)
    assert ended.returncode == 0, ended.stdout
    assert "test_cuda.py" in ended.stdout
    assert "test_graph_loader.py" in ended.stdout
