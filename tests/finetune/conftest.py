"""A store with columns to predict, and one fine-tuned run on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pepland_model import PharmHGT, PharmHGTConfig
from tests.helpers.paths import PUBLIC
from tests.helpers.train_worker import finetune_small, no_file


@pytest.fixture(autouse=True)
def no_tensorboard(monkeypatch) -> None:
    """Write no event files: that takes longer than the runs."""
    monkeypatch.setattr("pepland_model.run.log.tensorboard_writer", no_file)


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    """The golden molecules with two recorded splits.

    Columns: affinity (can be learned, row 3 has none), level (two classes of it), label, kind
    (three classes) and odd (no numbers).
    """
    pytest.importorskip("rdkit")
    from pepland_data import BuildOptions, build, open_store
    from pepland_data.store.split.make import make_split
    from pepland_data.store.split.recorded import write_split

    folder = tmp_path_factory.mktemp("task")
    lines = ["smiles,affinity,level,label,kind,odd"]
    for i, smiles in enumerate(map(str, np.load(PUBLIC)["smiles"])):
        nitrogens = smiles.count("N")
        affinity, level = f"{nitrogens}.25" if i != 3 else "", "low" if nitrogens < 9 else "high"
        lines.append(f"{smiles},{affinity},{level},{len(smiles) % 2},{'abc'[i % 3]},x{i}")
    (folder / "in.csv").write_text("\n".join(lines) + "\n")
    build(folder / "in.csv", folder / "store", BuildOptions(rows_per_shard=10))
    opened = open_store(folder / "store")
    shares = {"train": 0.6, "valid": 0.2, "test": 0.2}
    for seed in (0, 1):
        write_split(opened, make_split(opened, "random", shares, seed, f"random-{seed}"))
    return folder / "store"


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    """A model folder with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    PharmHGT(PharmHGTConfig(hidden=16, depth=2)).save(folder)
    return folder


@pytest.fixture(scope="session")
def regression(store, encoder, tmp_path_factory):
    """A run of two seeds that trains the encoder too, each seed with its own split."""
    out = tmp_path_factory.mktemp("fine") / "run"
    flags = {"init_from": str(encoder), "split": "random-{seed}", "epochs": 20}
    return out, finetune_small(store, out, pictures=True, **flags)


@pytest.fixture(scope="session")
def frozen(store, encoder, tmp_path_factory):
    """A classification of `level` by two seeds with one frozen encoder."""
    out = tmp_path_factory.mktemp("frozen") / "run"
    flags = {"init_from": str(encoder), "freeze": True, "epochs": 3}
    flags |= {"task": "classification", "target": "level", "pictures": True}
    return out, finetune_small(store, out, **flags)
