"""A run folder that an earlier release wrote, kept as files: it is loaded and resumed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from pepland_data import GraphLoader, open_store
from pepland_model.embed.embedder import Embedder
from pepland_model.run.config import from_toml, with_flags
from pepland_model.run.load_encoder import load_encoder
from pepland_model.run.log import events
from pepland_model.train.pretrain import pretrain
from tests.helpers.paths import ROOT
from tests.helpers.train_worker import no_drawing, no_file

KEPT = Path(__file__).parent / "run-1"
STORE = ROOT / "tests/store/format-1/arrow"
ATOM = [0.03657976, -0.16842067, 0.28729209, 0.33150813]
FRAGMENT = [-0.31306019, 0.21540999, 0.28439468, 0.05755694]
"""First atom and last fragment of the store, as the release that wrote the run computed them."""


def test_the_encoder_of_a_kept_run_gives_the_same_vectors() -> None:
    (batch,) = GraphLoader(open_store(STORE), 10, shuffle=False)
    with torch.no_grad():
        found = load_encoder(KEPT)(batch)
    torch.testing.assert_close(found.atom[0], torch.tensor(ATOM))
    torch.testing.assert_close(found.fragment[-1], torch.tensor(FRAGMENT))


def test_the_embedder_takes_a_kept_run() -> None:
    pytest.importorskip("rdkit")
    assert Embedder(KEPT).width == len(ATOM)


def test_a_kept_run_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(STORE.parent.parent)  # the run names its store relative to this folder
    monkeypatch.setattr("pepland_model.run.log.tensorboard_writer", no_file)
    monkeypatch.setattr("pepland_model.run.report.missing_packages", no_drawing)
    run = Path(shutil.copytree(KEPT, tmp_path / "run"))
    pretrain(with_flags(from_toml(run / "config.toml"), {"out": str(run), "max_steps": 3}), True)
    assert [event["step"] for event in events(run, "train")] == [1, 2, 3]
