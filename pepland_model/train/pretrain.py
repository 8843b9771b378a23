"""``pretrain(config)``: everything between a configuration and a finished run folder."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from pepland_data.errors import InputError
from pepland_data.files.atomic import write_json
from pepland_model.run import distributed
from pepland_model.run.checkpoint import checkpoints, latest_checkpoint
from pepland_model.run.config import TrainConfig
from pepland_model.run.distributed import World
from pepland_model.run.folder import check_folder, locked, write_provenance
from pepland_model.run.host_memory import keep_freed_memory
from pepland_model.run.log import RunLog, rewind
from pepland_model.run.progress import Progress
from pepland_model.run.report import write_loss_curve, write_report
from pepland_model.run.run_data import RunData, open_data
from pepland_model.run.signals import StopRequest
from pepland_model.train.init_from import carry_over, sized_as_source, starting_vocabulary
from pepland_model.train.memory import OutOfMemoryError, is_out_of_memory
from pepland_model.train.pretrain_network import (
    PretrainNetwork,
    build_network,
    recompute_attention,
)
from pepland_model.train.run_state import warn_of_threads
from pepland_model.train.trainer import Outcome, Trainer

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143}


def pretrain(config: TrainConfig, must_resume: bool = False) -> dict[str, Any] | None:
    """Train as configured, or go on with the run in ``config.run.out``.

    Args:
        config: the run; see `pepland_model.run.config`.
        must_resume: refuse to start a new run.

    Returns:
        What ``summary.json`` holds; None on ranks other than 0.

    Raises:
        InputError: data, settings or run folder that cannot be used.
        NonFiniteError: a loss became NaN or infinite; its graphs are written down.
        OSError: the last checkpoint could not be written.
    """
    config = sized_as_source(config)
    world = distributed.start(config.run.device)
    run = Path(config.run.out)
    if world.device.type == "cpu":
        keep_freed_memory()
    try:
        with StopRequest() as stop:
            check_folder(run, config)
            with locked(run) if world.is_main else nullcontext():
                return _train(config, world, run, must_resume, stop)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or isinstance(error, OutOfMemoryError):
            raise
        raise OutOfMemoryError(out_of_memory(config, world, error)) from error
    finally:
        distributed.stop()


def _train(
    config: TrainConfig, world: World, run: Path, must_resume: bool, stop: StopRequest
) -> dict[str, Any] | None:
    progress = Progress(total=1, enabled=world.is_main)
    found = latest_checkpoint(run)
    if found is None and must_resume:
        raise InputError(f"{run} holds no checkpoint to resume from; leave out --resume")
    data = open_data(config, world, starting_vocabulary(config))
    if found is not None and found.state["data"] != data.fingerprint:
        raise InputError(
            f"the data is not that of the run in {run} (graphs, split or vocabulary differ); "
            f"choose another --out, or go back to its data"
        )
    network = make_network(config, world, data, progress, fresh=found is None)
    facts: dict[str, Any] = {}
    if world.is_main:
        rewind(run, -1 if found is None else found.state["step"])
        facts = write_provenance(run, config, data.description, data.fingerprint)
        data.vocabulary.write(run / "vocab.txt")
    log = RunLog(run) if world.is_main else None
    trainer = Trainer(config, world, data, network, progress, log)
    progress.say(data.text())
    if found is not None:
        trainer.resume(found)
        if world.is_main:
            warn_of_threads(found.state, world.device)
        progress.say(f"going on from step {trainer.state.step} ({found.path})")
    del found
    try:
        outcome = trainer.run(stop)
    finally:
        progress.close()
        if log:
            log.close()
    return finish(run, config, outcome, facts) if world.is_main else None


def make_network(
    config: TrainConfig, world: World, data: RunData, progress: Progress, fresh: bool
) -> PretrainNetwork:
    """Build the network, the same on all ranks; a new run may take over another one's weights."""
    torch.manual_seed(config.run.seed)
    network = build_network(config.model, data.vocabulary, config.mask.mask_bonds)
    if config.run.init_from and fresh:
        progress.say(carry_over(network, config.run.init_from))
    if config.run.freeze:
        network.encoder.requires_grad_(False)
    if config.optim.activation_checkpointing:
        recompute_attention(network.encoder)
    return network.to(world.device)


def finish(
    run: Path, config: TrainConfig, outcome: Outcome, facts: dict[str, Any]
) -> dict[str, Any]:
    """Write the summary, the loss curve and the report; return the summary."""
    summary: dict[str, Any] = {
        "status": outcome.status,
        "exit_code": EXIT_CODES.get(outcome.status, 0),
        "steps": outcome.steps,
        "epoch": outcome.epoch,
        "best_loss": outcome.best_loss if outcome.best_step else None,
        "best_step": outcome.best_step,
        "metrics": outcome.metrics,
        "baseline": outcome.baseline,
        **facts,
    }
    write_json(run / "summary.json", summary)
    picture, last = write_loss_curve(run), checkpoints(run)[-1]
    if picture is None:
        print("no loss.png: matplotlib is not installed; see report.html", file=sys.stderr)
    files = {"checkpoint": last, "curve": picture, "report": write_report(run)}
    return summary | {"files": {name: str(path) for name, path in files.items() if path}}


def out_of_memory(config: TrainConfig, world: World, error: Exception) -> str:
    """Return what to try where memory ran out outside of a training step."""
    part = max(1, config.data.batch_size // (world.size * config.data.accumulate))
    return (
        f"out of memory on {world.device} with parts of {part} graphs; try --accumulate "
        f"{2 * config.data.accumulate}: the same losses with parts of {max(1, part // 2)}, "
        f"and the same command goes on from the last checkpoint ({str(error).splitlines()[0]})"
    )
