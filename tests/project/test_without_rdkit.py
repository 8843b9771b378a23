"""Commands for loading and training without RDKit, DGL, Zarr and other optional packages."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.helpers.bare_checkout import HIDE
from tests.helpers.golden_store import write_golden_store
from tests.helpers.paths import ROOT

BENCHMARKS = ["loader", "loader_memory", "model", "train", "gpu"]
COMMANDS = {
    "train": ["pepland_cli.train", "--shards", "STORE", "--out", "OUT", "--hidden", "16", "--depth",
              "2", "--batch-size", "8", "--max-steps", "3", "--device", "cpu", "--json"],
    "info": ["pepland_cli.data", "info", "STORE", "--json"],
    "tier": ["pepland_cli.data", "tier", "STORE", "--json"],
    "loader": ["pepland_cli.bench", "loader", "STORE", "--seconds", "0.2", "--json"],
    **{f"bench_{name}": [f"benchmarks.bench_{name}", "--help"] for name in BENCHMARKS},
}  # fmt: skip
RUN = """
import contextlib, importlib, io, json, traceback

def run(main, arguments):
    sys.argv = ["command", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            code = traceback.format_exc()
    return [int(code) if isinstance(code, int) else code, out.getvalue()]

results = {}
try:
    import rdkit
except ModuleNotFoundError:
    results["rdkit"] = "absent"
for name, (module, *arguments) in json.loads(sys.argv[1]).items():
    results[name] = run(lambda: importlib.import_module(module).main(), arguments)
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict:
    """Exit code and output of each command, all run in one Python without those packages."""
    folder = tmp_path_factory.mktemp("golden")
    store = write_golden_store(folder / "store", slice(None), 10).path
    places = {"STORE": str(store), "OUT": str(folder / "run")}
    commands = {name: [places.get(w, w) for w in words] for name, words in COMMANDS.items()}
    command = [sys.executable, "-c", HIDE + RUN, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_hidden_packages_are_not_found(results) -> None:
    assert results["rdkit"] == "absent"


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_and_benchmarks_of_loader_and_training_run(results, name) -> None:
    code, output = results[name]
    assert code in (0, None), output
    if not name.startswith("bench_"):
        assert json.loads(output)
    if name == "train":
        assert json.loads(output)["steps"] == 3
