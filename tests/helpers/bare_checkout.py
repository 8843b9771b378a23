"""A Python that only trains: without optional packages, and with the project not installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location

from tests.helpers.paths import ROOT

ABSENT = {"rdkit", "scipy", "joblib", "tqdm", "helmkit", "zarr", "fsspec", "s3fs", "dgl", "pandas",
          "matplotlib", "tensorboard", "dask", "distributed", "sklearn", "torch_geometric",
          "psutil", "mlflow", "wandb", "moto", "lightning"}  # fmt: skip
HIDE = f"""
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec.__func__
def find_spec(cls, name, path=None, target=None):
    return None if name.split(".")[0] in {ABSENT} else found(cls, name, path, target)
PathFinder.find_spec = classmethod(find_spec)
"""
"""Program text after which the optional packages cannot be imported."""
UNINSTALL = """
def of_checkout(cls, name, path=None, target=None):
    return None if name == "pepland_cli" else find_spec(cls, name, path, target)
PathFinder.find_spec = classmethod(of_checkout)
sys.meta_path = [f for f in sys.meta_path if not f.__module__.startswith("__editable__")]
"""
"""Program text after HIDE, after which nothing knows the installed name of `cli/`."""


def name_commands() -> None:
    """Give the commands in `cli/` their installed name where the project is not installed."""
    if find_spec("pepland_cli") is not None:
        return
    spec = spec_from_file_location("pepland_cli", ROOT / "cli" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["pepland_cli"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pepland_cli"])
