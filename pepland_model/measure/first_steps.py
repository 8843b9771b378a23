"""``pepland-train --dry-run``: what a pre-training will take, from its first steps.

The steps run in a temporary folder. The run folder is read, and nothing is written to it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pepland_model.run import distributed
from pepland_model.run.checkpoint import checkpoints
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.distributed import ProcessGroup
from pepland_model.run.folder import check_folder
from pepland_model.run.host_memory import keep_freed_memory
from pepland_model.run.progress import Progress
from pepland_model.run.signals import StopRequest
from pepland_model.train.init_from import source_vocabulary, with_source_sizes
from pepland_model.train.pretrain import make_network
from pepland_model.train.train_data import RunData, open_data
from pepland_model.train.trainer import Trainer

STEPS = {"cuda": 40, "cpu": 4}
"""Steps by device. The second half is measured; a GPU makes its programs in the first."""


class LastValues:
    """Keeps the newest metrics of each kind, in place of the log of a run."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Keep the metrics."""
        self.values[kind] = values


def dry_run(config: TrainConfig) -> dict[str, Any] | None:
    """Run the first steps of a pre-training and return what the rest will take.

    Args:
        config: the run.

    Returns:
        Data, steps, peptides per second, seconds and memory, as JSON; None on ranks other than 0.

    Raises:
        InputError: data, settings or run folder cannot be used.
        KeyboardInterrupt: a signal ended the steps.
    """
    config = with_source_sizes(config)
    processes = distributed.start(config.run.device)
    if processes.device.type == "cpu":
        keep_freed_memory()
    try:
        check_folder(Path(config.run.out), config)
        data = open_data(config, processes, source_vocabulary(config))
        measured = first_steps(config, processes, data)
        return answer(config, processes, data, measured) if processes.is_main else None
    finally:
        distributed.stop()


def first_steps(config: TrainConfig, processes: ProcessGroup, data: RunData) -> dict[str, Any]:
    """Return the metrics of the second half of the first steps."""
    steps, quiet, log = STEPS[processes.device.type], Progress(1, enabled=False), LastValues()
    with TemporaryDirectory() as folder, StopRequest() as stop:
        flags = {"max_steps": steps, "log_every": steps // 2, "checkpoint_every": 0}
        short = with_flags(config, {**flags, "out": folder, "profile": False})
        network = make_network(short, processes, data, quiet, is_new=True)
        without_validation = replace(data, valid=None)
        trainer = Trainer(short, processes, without_validation, network, quiet, log)  # type: ignore[arg-type]
        if trainer.run(stop).status != "finished":
            raise KeyboardInterrupt
    found: dict[str, Any] = log.values["train"]
    return found


def answer(
    config: TrainConfig, processes: ProcessGroup, data: RunData, measured: dict[str, Any]
) -> dict[str, Any]:
    """Return what is left of a run at the measured speed.

    An evaluation counts as if its peptides were trained on, which takes longer.
    """
    total = config.run.max_steps or config.run.epochs * data.steps_per_epoch
    done = steps_done(Path(config.run.out))
    steps, every = max(0, total - done), config.run.eval_every or total
    evaluations = -(-total // every) - done // every if steps else 0
    batch, valid = config.data.batch_size, data.description["validation peptides"]
    evaluated = min(valid, (config.run.eval_batches or valid) * batch)
    seconds = (steps * batch + evaluations * evaluated) / measured["graphs_per_s"]
    return {
        "data": dict(data.description), "out": config.run.out, "steps": total, "steps_done": done,
        "evaluations": evaluations, "batch_size": batch, "device": str(processes.device),
        "graphs_per_s": measured["graphs_per_s"], "waiting_share": measured["waiting_share"],
        "memory_gib": measured["memory_gib"], "seconds": seconds,
    }  # fmt: skip


def steps_done(run: Path) -> int:
    """Return the step of the newest checkpoint in a run folder, 0 if there is none."""
    found = checkpoints(run)
    return int(found[-1].name.rpartition("-")[2]) if found else 0
