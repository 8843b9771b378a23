"""Fixtures for all tests."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.bare_checkout import name_commands
from tests.helpers.paths import GOLDEN, ROOT

name_commands()


def _sees_a_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


if not _sees_a_gpu():  # Triton reads this at its import: kernels then run in its interpreter
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Set one thread for every test and its fixtures.

    torch splits sums by the number of threads, so a run of a fixture with two threads would not be
    bit-identical to a run of a test with one.
    """
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Folder of the golden files that are shipped with the project."""
    return GOLDEN


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of corpora that are not shipped; tests that need it are skipped without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip("the folder ../shared with corpora that are not shipped is missing")
    return folder


@pytest.fixture(scope="session")
def small_store(tmp_path_factory):
    """A store of the golden molecules in shards of ten, with a column `length`."""
    folder = tmp_path_factory.mktemp("small")
    if not find_spec("rdkit"):
        from tests.helpers.golden_store import write_golden_store

        return write_golden_store(folder / "store", slice(None), 10)
    from pepland_data import BuildOptions, build, open_store

    smiles = [str(s) for s in np.load(GOLDEN / "public.npz")["smiles"]]
    rows = "".join(f"{s},{len(s)}\n" for s in smiles)
    (folder / "in.csv").write_text("smiles,length\n" + rows)
    build(folder / "in.csv", folder / "store", BuildOptions(rows_per_shard=10))
    return open_store(folder / "store")


@pytest.fixture(scope="session")
def other_store(tmp_path_factory):
    """A store of other peptides, with other tables than `small_store`."""
    folder = tmp_path_factory.mktemp("other")
    if not find_spec("rdkit"):
        from tests.helpers.golden_store import write_golden_store

        return write_golden_store(folder / "store", slice(-13, None), 6)
    from pepland_data import BuildOptions, build, open_store
    from pepland_data.chem.notation.monomers import peptide

    names = ["Phe(4-Br)", "Lys(Ac)", "Sar", "W", "meA", "dK", "C", "M"]
    texts = [peptide(names[i % 5 : i % 5 + 3]) for i in range(13)]
    (folder / "in.csv").write_text("smiles\n" + "".join(f"{t}\n" for t in texts))
    build(folder / "in.csv", folder / "store", BuildOptions(rows_per_shard=6))
    return open_store(folder / "store")
