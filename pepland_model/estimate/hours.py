"""Steps, evaluations and hours of a stage of pre-training, counted as the trainer counts them."""

from __future__ import annotations

from dataclasses import dataclass

from pepland_data.errors import InputError
from pepland_model.estimate.cards import not_negative, positive, whole


@dataclass(frozen=True)
class Stage:
    """A stage of pre-training."""

    name: str
    samples: int
    """Graphs trained on in an epoch, without those held out."""
    epochs: int


@dataclass(frozen=True)
class StageHours:
    """What a stage takes."""

    steps: int
    """Optimizer steps. The last batch of an epoch may be smaller, and takes a step of its own."""
    evaluations: int
    """Evaluations on the graphs held out."""
    training_h: float
    """Hours of the steps."""
    evaluation_h: float
    """Hours of the evaluations."""

    @property
    def hours(self) -> float:
        """Hours of the stage."""
        return self.training_h + self.evaluation_h


def stage_hours(
    stage: Stage,
    batch_size: int,
    step_s: float,
    eval_every: int = 500,
    eval_graphs: int = 0,
    eval_graphs_per_s: float | None = None,
) -> StageHours:
    """Return steps, evaluations and hours of a stage.

    The pass over the graphs held out that finds their frequencies, and checkpoints, are left out.

    Args:
        stage: the stage.
        batch_size: graphs of a step, over all cards and parts.
        step_s: seconds of a step.
        eval_every: steps between evaluations; 0 means only at the end.
        eval_graphs: graphs of an evaluation, see `evaluated`; 0 means no evaluations.
        eval_graphs_per_s: graphs evaluated in a second.

    Raises:
        InputError: a number is not allowed, or the speed of evaluations is missing.
    """
    steps = steps_of(stage, batch_size)
    training_h = steps * positive("step_s", step_s) / 3600
    if not whole("eval_graphs", eval_graphs):
        return StageHours(steps, 0, training_h, 0.0)
    evaluations = evaluations_of(steps, eval_every)
    graphs_per_h = 3600 * positive("eval_graphs_per_s", eval_graphs_per_s)
    return StageHours(steps, evaluations, training_h, evaluations * eval_graphs / graphs_per_h)


def steps_of(stage: Stage, batch_size: int) -> int:
    """Return the optimizer steps of a stage; the last batch of each epoch may be smaller."""
    samples = whole("samples", stage.samples, least=1)
    steps_per_epoch = -(-samples // whole("batch_size", batch_size, least=1))
    return whole("epochs", stage.epochs, least=1) * steps_per_epoch


def evaluations_of(steps: int, eval_every: int) -> int:
    """Return the evaluations of a run: every so many steps, and at the end if it is not one."""
    every = whole("eval_every", eval_every) or steps
    return -(-steps // every)


def evaluated(held_out: int, part_size: int, eval_batches: int = 0) -> int:
    """Return the graphs of an evaluation.

    Args:
        held_out: graphs held out.
        part_size: graphs of a step divided by the parts that it is accumulated from.
        eval_batches: most batches of that size; 0 means all graphs.
    """
    limit = whole("eval_batches", eval_batches) * whole("part_size", part_size, least=1)
    return min(whole("held_out", held_out), limit or held_out)


def held_out(graphs: int, valid_fraction: float) -> int:
    """Return how many graphs a run without a validation set holds out, on average.

    Args:
        graphs: graphs of the stores.
        valid_fraction: share held out, 0 to below 1; if above 0, at least one of two graphs.
    """
    if not_negative("valid_fraction", valid_fraction) >= 1:
        raise InputError(f"valid_fraction is {valid_fraction}; it must be below 1")
    if whole("graphs", graphs) < 2 or not valid_fraction:
        return 0
    return max(1, round(graphs * valid_fraction))
