"""Fixtures every test can use."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Compute with one thread in every test: torch splits sums by the number of threads.

    Before the fixtures of the test, those of its module included: a run that one of them made with
    two threads is not bit for bit that of a test with one.
    """
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """The golden files that ship with the project."""
    return GOLDEN


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Corpora and golden files that cannot be shipped; tests that need them skip elsewhere."""
    folder = ROOT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip("the unshipped corpora (../shared) are not beside this checkout")
    return folder


def golden_molecule(npz: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
    """Return molecule i of a golden file as the arrays of `HeteroGraph.dense`."""
    rows = {
        group: slice(npz[f"{group}_ptr"][i], npz[f"{group}_ptr"][i + 1])
        for group in ("atom", "fragment", "bond", "reaction")
    }
    skip = {"smiles", "name", "fragment_label"}
    arrays = {k: v for k, v in npz.items() if k not in skip and not k.endswith("_ptr")}
    return {
        name: value[:, rows[name.split("_")[0]]]
        if name.endswith("_index")
        else value[rows[name.split("_")[0]]]
        for name, value in arrays.items()
    }


@pytest.fixture(scope="session")
def small_store(tmp_path_factory):
    """A store of the golden molecules in shards of ten, with a column `length`."""
    folder = tmp_path_factory.mktemp("small")
    if not find_spec("rdkit"):
        from tests.golden_store import write_golden_store

        return write_golden_store(folder / "store", slice(None), 10)
    from pepland_data import BuildOptions, build, open_store

    smiles = [str(s) for s in np.load(GOLDEN / "public.npz")["smiles"]]
    rows = "".join(f"{s},{len(s)}\n" for s in smiles)
    (folder / "in.csv").write_text("smiles,length\n" + rows)
    build(folder / "in.csv", folder / "store", BuildOptions(rows_per_shard=10))
    return open_store(folder / "store")


@pytest.fixture(scope="session")
def other_store(tmp_path_factory):
    """A store of other peptides, so with other tables than `small_store`."""
    folder = tmp_path_factory.mktemp("other")
    if not find_spec("rdkit"):
        from tests.golden_store import write_golden_store

        return write_golden_store(folder / "store", slice(-13, None), 6)
    from pepland_data import BuildOptions, build, open_store
    from pepland_data.monomers import peptide

    names = ["Phe(4-Br)", "Lys(Ac)", "Sar", "W", "meA", "dK", "C", "M"]
    texts = [peptide(names[i % 5 : i % 5 + 3]) for i in range(13)]
    (folder / "in.csv").write_text("smiles\n" + "".join(f"{t}\n" for t in texts))
    build(folder / "in.csv", folder / "store", BuildOptions(rows_per_shard=6))
    return open_store(folder / "store")
