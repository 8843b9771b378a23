"""``pretrain(config)``: from a configuration to a finished run folder."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pepland_data.errors import InputError
from pepland_data.files.atomic import write_json
from pepland_model.run import distributed
from pepland_model.run.checkpoint import checkpoints, latest_checkpoint
from pepland_model.run.config import TrainConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.run.folder import check_folder, locked, write_provenance
from pepland_model.run.host_memory import keep_freed_memory
from pepland_model.run.log import RunLog, drop_events_after
from pepland_model.run.progress import Progress
from pepland_model.run.report import write_report
from pepland_model.run.signals import StopRequest
from pepland_model.train.init_from import carry_over, source_vocabulary, with_source_sizes
from pepland_model.train.out_of_memory import OutOfMemoryError, general_message, is_out_of_memory
from pepland_model.train.pretrain_network import (
    PretrainNetwork,
    build_network,
    recompute_attention,
)
from pepland_model.train.run_state import PRETRAIN, warn_if_threads_differ
from pepland_model.train.train_data import RunData, open_data
from pepland_model.train.trainer import RunResult, Trainer

EXIT_CODES = {s.name: 128 + s for s in StopRequest.SIGNALS}


def pretrain(config: TrainConfig, must_resume: bool = False) -> dict[str, Any] | None:
    """Pre-train as configured, or resume the run in ``config.run.out``.

    Args:
        config: the run; see `pepland_model.run.config`.
        must_resume: raise InputError if there is no checkpoint to resume from.

    Returns:
        The content of ``summary.json``; None on ranks other than 0.

    Raises:
        InputError: data, settings or run folder cannot be used.
        NonFiniteError: a loss became NaN or infinite; ``nonfinite.json`` has the graphs.
        OSError: the last checkpoint could not be written.
    """
    config = with_source_sizes(config)
    processes = distributed.start(config.run.device)
    run = Path(config.run.out)
    if processes.device.type == "cpu":
        keep_freed_memory()
    try:
        with StopRequest() as stop:
            check_folder(run, config)
            with locked(run) if processes.is_main else nullcontext():
                return _train(config, processes, run, must_resume, stop)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or isinstance(error, OutOfMemoryError):
            raise
        raise OutOfMemoryError(general_message(config, processes, error)) from error
    finally:
        distributed.stop()


def _train(
    config: TrainConfig, processes: ProcessGroup, run: Path, must_resume: bool, stop: StopRequest
) -> dict[str, Any] | None:
    progress = Progress(total=1, enabled=processes.is_main)
    found = latest_checkpoint(run, PRETRAIN)
    if found is None and must_resume:
        raise InputError(f"{run} has no checkpoint to resume from; leave out --resume")
    data = open_data(config, processes, source_vocabulary(config))
    if found is not None and found.state["data"] != data.fingerprint:
        raise InputError(
            f"the graphs, the split or the vocabulary differ from those of the run in {run}; "
            f"choose another --out, or use the data of that run"
        )
    network = make_network(config, processes, data, progress, is_new=found is None)
    provenance: dict[str, Any] = {}
    if processes.is_main:
        drop_events_after(run, -1 if found is None else found.state["step"])
        provenance = write_provenance(run, config, data.description, data.fingerprint)
        data.vocabulary.write(run / "vocab.txt")
    log = RunLog(run) if processes.is_main else None
    trainer = Trainer(config, processes, data, network, progress, log)
    progress.say(data.text())
    if found is not None:
        trainer.resume(found)
        if processes.is_main:
            warn_if_threads_differ(found.state, processes.device)
        progress.say(f"resuming from step {trainer.state.step} ({found.path})")
    del found  # frees its tensors
    try:
        result = trainer.run(stop)
    finally:
        progress.close()
        if log:
            log.close()
    return finish(run, result, provenance) if processes.is_main else None


def make_network(
    config: TrainConfig, processes: ProcessGroup, data: RunData, progress: Progress, is_new: bool
) -> PretrainNetwork:
    """Return the network, the same on all ranks; a new run may start from another run's weights."""
    torch.manual_seed(config.run.seed)
    network = build_network(config.model, data.vocabulary, config.mask.mask_bonds)
    if config.run.init_from and is_new:
        progress.say(carry_over(network, config.run.init_from))
    if config.run.freeze:
        network.encoder.requires_grad_(False)
    if config.optim.activation_checkpointing:
        recompute_attention(network.encoder)
    return network.to(processes.device)


def finish(run: Path, result: RunResult, provenance: dict[str, Any]) -> dict[str, Any]:
    """Write the summary and, if it can be drawn, the report; return the summary."""
    summary: dict[str, Any] = {
        **asdict(result),
        "exit_code": EXIT_CODES.get(result.status, 0),
        "best_loss": result.best_loss if result.best_step else None,
        **provenance,
    }
    write_json(run / "summary.json", summary)
    files = {"checkpoint": checkpoints(run)[-1], **write_report(run)}
    return summary | {"files": {name: str(path) for name, path in files.items()}}
