"""Whatever stands in the files of a fine-tuned run: it is used, or refused in a sentence."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_model.finetune.predictor import Predictor
from pepland_model.run.checkpoint import CheckpointError
from tests.helpers.json_mutation import mutated, said
from tests.helpers.train_worker import finetune_small

EXAMPLES = int(os.environ.get("FORGED_EXAMPLES", "10"))
FUZZ = settings(deadline=None, max_examples=EXAMPLES, derandomize=True)


@pytest.mark.parametrize("file", ["run.json", "seed-0/done.json", "seed-0/model/state.json"])
@FUZZ
@given(data=st.data())
def test_any_json_in_a_run_is_used_or_refused_in_a_sentence(
    regression: Any, store: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory,
    file: str, data: st.DataObject,
) -> None:  # fmt: skip
    run = Path(shutil.copytree(regression[0], tmp_path_factory.mktemp("forged") / "run"))
    path = run / file
    path.write_text(json.dumps(data.draw(mutated(json.loads(path.read_bytes())))))
    flags = {"init_from": str(encoder), "split": "random-{seed}", "epochs": 20}
    found = [said(lambda: Predictor(run)), said(lambda: finetune_small(store, run, **flags))]
    assert [one for one in found if len(one.splitlines()) > 1] == []


@settings(FUZZ, max_examples=EXAMPLES // 2)
@given(data=st.data())
def test_a_seed_with_any_checkpoint_is_resumed_or_starts_again(
    store: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run = tmp_path_factory.mktemp("seed") / "run"
    flags = {"init_from": str(encoder), "split": "random-0", "epochs": 2, "seeds": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pepland_model.finetune.finetune.save_task", stop)
        with pytest.raises(OSError, match="stopped"):
            finetune_small(store, run, **flags)
    path = max(run.glob("seed-0/checkpoints/step-*/state.json"))
    path.write_text(json.dumps(data.draw(mutated(json.loads(path.read_bytes())))))
    assert len(said(lambda: finetune_small(store, run, **flags)).splitlines()) <= 1


def stop(*_: object) -> None:
    raise OSError("stopped")


def test_predictions_of_a_seed_that_are_no_parquet_are_refused(
    regression: Any, store: Path, encoder: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(regression[0], tmp_path / "run"))
    (run / "seed-0/predictions.parquet").write_bytes(b"PAR1")
    flags = {"init_from": str(encoder), "split": "random-{seed}", "epochs": 20}
    with pytest.raises(CheckpointError, match=r"predictions\.parquet of a seed"):
        finetune_small(store, run, **flags)


def test_folders_that_only_look_like_seeds_are_no_models(regression: Any, tmp_path: Path) -> None:
    run = Path(shutil.copytree(regression[0], tmp_path / "run"))
    shutil.copytree(run / "seed-0", run / "seed-x")
    assert Predictor(run).seeds == 2
