"""A loss or gradient that is not finite: the first such step is named, with its graphs."""

from __future__ import annotations

import json

import pytest
import torch

from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.nonfinite import NonFiniteError, NonFiniteGuard
from pepland_model.train.step import StepResult
from tests.helpers.pretrain_data import golden_batch


def guard(run, rank: int = 0, size: int = 1, gradients: bool = True) -> NonFiniteGuard:
    return NonFiniteGuard(run, ProcessGroup(rank, size, torch.device("cpu")), gradients, "retry")


def result(loss: float, norm: float = 1.0) -> StepResult:
    return StepResult(torch.full((3, 3), loss), torch.tensor(norm), 1e-3)


@pytest.mark.parametrize(("loss", "norm"), [(float("nan"), 1.0), (1.0, float("inf"))])
def test_the_first_bad_step_of_several_is_named_with_its_graphs(tmp_path, loss, norm) -> None:
    steps = guard(tmp_path)
    steps.add(1, 0, [golden_batch([0, 1])], result(1.0))
    steps.add(2, 0, [golden_batch([5]), golden_batch([7])], result(loss, norm))
    steps.add(3, 0, [golden_batch([9])], result(float("nan")))
    with pytest.raises(NonFiniteError, match=r"step 2.*retry"):
        steps.check()
    document = json.loads((tmp_path / "nonfinite.json").read_text())
    assert document == {"step": 2, "epoch": 0, "graph_index": [5, 7]}


def test_with_fp16_an_infinite_gradient_is_left_to_the_scaler(tmp_path) -> None:
    steps = guard(tmp_path, gradients=False)
    steps.add(1, 0, [golden_batch([0])], result(1.0, float("inf")))
    steps.check()
    steps.check()


def test_each_rank_writes_its_own_graphs(tmp_path) -> None:
    steps = guard(tmp_path, rank=1, size=2)
    steps.add(4, 2, [golden_batch([3])], result(float("nan")))
    with pytest.raises(NonFiniteError):
        steps.check()
    assert json.loads((tmp_path / "nonfinite-1.json").read_text())["graph_index"] == [3]
