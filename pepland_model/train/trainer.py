"""The loop of pre-training: steps, logging, evaluations and checkpoints.

A run that was stopped or killed resumes from its newest undamaged checkpoint. On a CPU its losses
are then bit-identical to those of a run without interruption.
"""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_model.run.checkpoint import Checkpoint, mark_best, prune, step_folder, write_checkpoint
from pepland_model.run.config import TrainConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.run.log import RunLog
from pepland_model.run.progress import Progress
from pepland_model.run.signals import StopRequest
from pepland_model.train.evaluate import Evaluation, frequency_baseline, tally_metrics
from pepland_model.train.mask import Masked, MaskOptions, mask_batch
from pepland_model.train.nonfinite import NonFiniteGuard
from pepland_model.train.out_of_memory import (
    OutOfMemoryError,
    first_graphs,
    first_line,
    is_out_of_memory,
    largest_fit,
    step_message,
)
from pepland_model.train.pretrain_network import PretrainNetwork, save_network
from pepland_model.train.profile import profile_steps
from pepland_model.train.progress_text import baseline_line, evaluation_line, step_line
from pepland_model.train.run_state import RunState, restore, state_tensors, state_values
from pepland_model.train.step import PretrainUpdater, StepResult
from pepland_model.train.step_batches import StepBatches
from pepland_model.train.step_program import Step, StepProgram, why_not
from pepland_model.train.train_data import RunData

PROFILED_STEPS = 10


@dataclass(frozen=True)
class RunResult:
    """The end of a run."""

    status: str
    """``finished``, ``stopped early`` or the name of the signal that stopped the run."""
    steps: int
    """Optimizer steps done."""
    epoch: int
    """Epoch of the last step."""
    metrics: dict[str, float]
    """Metrics of the last evaluation."""
    baseline: dict[str, float]
    """Loss and accuracy of predicting the label frequencies."""
    best_loss: float
    """Lowest validation loss."""
    best_step: int
    """Step with the lowest validation loss."""


class Trainer:
    """One run in one process.

    Args:
        config: the configuration.
        processes: processes of the run.
        data: the loaders of this process.
        network: encoder and heads, on the device.
        progress: shows the progress to people.
        log: writes the metrics; None on ranks other than 0.
    """

    def __init__(
        self,
        config: TrainConfig,
        processes: ProcessGroup,
        data: RunData,
        network: PretrainNetwork,
        progress: Progress,
        log: RunLog | None,
    ) -> None:
        self.config, self.processes, self.data, self.network = config, processes, data, network
        self.progress, self.log = progress, log
        self.run_folder = Path(config.run.out)
        self.total = config.run.max_steps or config.run.epochs * data.steps_per_epoch
        progress.total = self.total
        self.masks = MaskOptions.of(config.mask)
        self.step_batches = StepBatches(data.train, config.data.accumulate, data.steps_per_epoch)
        self.updater = PretrainUpdater(network, config.optim, processes, self.total)
        self.program = self._make_program()
        self.evaluation = Evaluation(
            network, self.masks, processes, self.updater.precision,
            config.run.graph if network.searches_on(processes.device) else None,
            progress.say,
        )  # fmt: skip
        scaled = self.updater.scaler.is_enabled()
        self.guard = NonFiniteGuard(self.run_folder, processes, not scaled, remedy(self.run_folder))
        self.state = RunState()
        self.baseline: dict[str, float] = {}
        self._saved_step, self._saved_at = -1, time.perf_counter()
        self._last: StepResult | None = None
        self._clock, self._waited, self._clock_step = time.perf_counter(), 0.0, 0

    def _make_program(self) -> StepProgram | None:
        """Return the step as a fixed program on a GPU; None where it runs part by part."""
        graph, device = self.config.run.graph, self.processes.device
        if device.type != "cuda" and graph != "on":
            return None
        reason = why_not(self.updater)
        if graph == "on" and reason:
            raise InputError(f"--graph on: a step cannot be recorded, as {reason}")
        if reason:
            self.progress.say(f"steps are not recorded as a CUDA graph, as {reason}")
            return None
        seed = self.config.run.seed
        parts = self.config.data.accumulate
        return StepProgram(self.updater, self.masks, seed, graph, self.progress.say, parts)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Restore the state of a checkpoint."""
        self.state = restore(self.updater, checkpoint)
        self.step_batches.load_state_dict(checkpoint.state["feed"])
        self._saved_step = self.progress.start = self._clock_step = self.state.step
        sizes, data = checkpoint.state.get("program"), checkpoint.state["config"]["data"]
        same_parts = data["accumulate"] == self.config.data.accumulate
        if self.program is not None and sizes and same_parts:
            self.program.program.start_with(sizes)

    def run(self, stop: StopRequest) -> RunResult:
        """Train until the end, an early stop or a signal, then write a checkpoint."""
        self._measure_baseline()
        status = "finished"
        try:
            if self._due(self.config.run.eval_every) and 0 < self.state.step < self.total:
                self._evaluate_if_missing()
            self._clock = time.perf_counter()
            while self.state.step < self.total:
                self._advance()
                if self._stop_requested(stop):
                    status = stop.received or "stopped by another rank"
                    break
                if self._due(self.config.run.eval_every) and self._evaluate():
                    status = "stopped early"
                    break
                if self._due(self.config.run.checkpoint_every) or self._time_to_save():
                    self._save()
            else:
                self._evaluate_if_missing()
            self._save(final=True)
        finally:
            self.step_batches.close()
        s, epoch = self.state, self.step_batches.epoch
        return RunResult(status, s.step, epoch, s.metrics, self.baseline, s.best_loss, s.best_step)

    def _advance(self) -> None:
        if self.config.run.profile and self.state.step == self.progress.start + 3:
            folder = self.run_folder / "profile"
            count = min(PROFILED_STEPS, self.total - self.state.step)
            profile = profile_steps(self._step, count, folder, self.processes.device)
            self.progress.say(profile.text())
        else:
            self._step()

    def _step(self) -> float:
        """Start one optimizer step, and log; return the seconds of waiting for data."""
        waited = self.step_batches.waited_s
        epoch, batches = self.step_batches.next()
        number = self.state.step
        self.state.step += 1
        try:
            if self.program is not None:
                # The last step of an epoch may have fewer parts, and a process no graphs in it.
                missing = self.config.data.accumulate - len(batches)
                batches += [self.data.train.batch([]) for _ in range(missing)]
                self._note(self.program.submit(number, epoch, *batches))
            else:
                parts = [self._masked(batch, epoch) for batch in batches]
                self._note([Step(number, epoch, batches, self.updater.step(number, parts))])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = first_line(error)
            largest = max(batches, key=lambda batch: len(batch.atom_code))
            parts, self.program = [], None  # frees their memory
            del error
            raise OutOfMemoryError(self._what_fits(self._masked(largest, epoch), reason)) from None
        every = self.config.run.log_every
        logs = self.state.step % every == 0 or self.state.step == self.total
        if logs:
            self._settle()
        if logs or self.processes.device.type == "cpu":
            self.guard.check()
        if logs:
            self._log_window(epoch)
        return self.step_batches.waited_s - waited

    def _masked(self, batch: HeteroBatch, epoch: int) -> Masked:
        return mask_batch(batch, self.masks, self.config.run.seed, epoch)

    def _note(self, steps: Sequence[Step]) -> None:
        """Collect the results of steps that have ended."""
        for step in steps:
            self.guard.add(step.number + 1, step.epoch, step.batches, step.result)
            if self.state.window.device != step.result.tally.device:
                self.state.window = self.state.window.to(step.result.tally.device)
            self.state.window += step.result.tally
            self.state.window_steps += 1
            self._last = step.result

    def _settle(self) -> None:
        """Wait for the steps that have been started, and collect their results."""
        if self.program is not None:
            self._note(self.program.flush())

    def _what_fits(self, part: Masked, reason: str) -> str:
        """Try smaller parts of a part that needed too much memory; return the message."""
        graphs = part.batch.num_graphs
        fit = largest_fit(lambda n: self.updater.try_part(first_graphs(part, n)), graphs)
        return step_message(self.config, self.processes, graphs, fit, reason)

    def _log_window(self, epoch: int) -> None:
        assert self._last is not None
        state, now = self.state, time.perf_counter()
        seconds, waited = now - self._clock, self.step_batches.waited_s - self._waited
        values: dict[str, Any] = {"epoch": epoch, **tally_metrics(state.window)}
        values["lr"], values["gradient_norm"] = self._last.lr, float(self._last.gradient_norm)
        done = state.step - self._clock_step
        values["graphs_per_s"] = self.config.data.batch_size * done / seconds
        values["waiting_share"] = min(1.0, waited / seconds)
        values["memory_gib"] = memory_gib(self.processes.device)
        values |= loader_metrics(self.data.train)
        if self.log:
            self.log.write("train", state.step, values)
        self.progress.update(state.step, step_line(values), force=state.step == self.total)
        if state.step % self.config.run.log_every == 0:  # not at the end: a longer run continues it
            state.window.zero_()
            state.window_steps = 0
            self._clock, self._waited = now, self.step_batches.waited_s
            self._clock_step = state.step

    def _due(self, every: int) -> bool:
        return every > 0 and self.state.step % every == 0

    def _time_to_save(self) -> bool:
        """Return whether the last checkpoint is too old, the same on all ranks."""
        minutes = self.config.run.checkpoint_minutes
        if not minutes or not self._due(self.config.run.log_every):
            return False
        return self.processes.any(time.perf_counter() - self._saved_at > 60 * minutes)

    def _stop_requested(self, stop: StopRequest) -> bool:
        often = self.processes.size == 1 or self.processes.device.type == "cpu"
        if often or self._due(self.config.run.log_every):
            return self.processes.any(stop.received is not None)
        return False

    def _measure_baseline(self) -> None:
        held_out = self.data.evaluation()
        if held_out is None:
            return
        self.baseline = frequency_baseline(self.network, held_out, self.masks, self.processes)
        if self.log and self.baseline:
            self.progress.say(baseline_line(self.baseline))
            values = {f"baseline_{key}": value for key, value in self.baseline.items()}
            self.log.write("start", self.state.step, values)

    def _evaluate(self) -> bool:
        """Evaluate, save the best checkpoint; return whether to stop early."""
        held_out = self.data.evaluation()
        if held_out is None:
            return False
        self._settle()
        self.guard.check()
        clock = time.perf_counter()
        self._swap_average()
        found = self.evaluation(held_out)
        self._swap_average()
        self.state.metrics, self.state.evaluated_step = found, self.state.step
        if self.log:
            self.log.write("eval", self.state.step, found)
        self.progress.say(evaluation_line(self.state.step, found, self.baseline))
        self.state.without_gain += 1
        if found["loss"] < self.state.best_loss:
            self.state.best_loss, self.state.best_step = found["loss"], self.state.step
            self.state.without_gain = 0
            self._save(best=True)
        self._clock += time.perf_counter() - clock
        patience = self.config.run.patience
        return 0 < patience <= self.state.without_gain

    def _evaluate_if_missing(self) -> None:
        """Evaluate at the end, and where a signal came between a step and its evaluation."""
        if self.state.evaluated_step != self.state.step:
            self._evaluate()

    def _swap_average(self) -> None:
        if self.updater.average is not None:
            self.updater.average.swap()

    def _save(self, best: bool = False, final: bool = False) -> None:
        """Write a checkpoint. If the disk is full, warn; OSError for the final checkpoint."""
        self._settle()
        self.guard.check()
        failed: OSError | None = None
        if self.processes.is_main and (best or self.state.step != self._saved_step):
            try:
                self._write(best)
                self._saved_step = self.state.step
            except OSError as error:
                failed = error
        self._saved_at = time.perf_counter()
        self.processes.barrier()
        if failed is not None:
            message = f"the checkpoint of step {self.state.step} could not be written: {failed}"
            if final:
                raise OSError(f"{message}; make room, then run the same command again")
            warnings.warn(f"{message}; free some space, training continues", stacklevel=2)

    def _write(self, best: bool) -> None:
        values = state_values(self.updater, self.state, self.step_batches.state_dict())
        values |= {"config": self.config.as_dict(), "data": self.data.fingerprint}
        values["cut"] = self.data.cut
        values["program"] = (self.program and self.program.program.sizes()) or None
        tensors = state_tensors(self.updater, self.state)
        folder = step_folder(self.run_folder, self.state.step)
        write_checkpoint(folder, values, tensors, self._write_model)
        if best:
            mark_best(self.run_folder, folder, {"step": self.state.step, **self.state.metrics})
        prune(self.run_folder, self.config.run.keep)

    def _write_model(self, folder: Path) -> None:
        """Write the model files, with the moving average of the weights if there is one."""
        self._swap_average()
        try:
            save_network(self.network, folder)
        finally:
            self._swap_average()


def remedy(run: Path) -> str:
    """Return what to do if a loss is not finite. The settings of a run cannot change."""
    return (
        f"try a lower --lr, --clip 1 or --precision fp32 with another --out; --init-from {run} "
        "starts from the best checkpoint, if there is one"
    )


def loader_metrics(loader: Any) -> dict[str, Any]:
    """Return the measurements of a loader since the last call; empty if it has no meter."""
    meter = getattr(loader, "meter", None)
    if meter is None:
        return {}
    seen = meter.report()
    meter.reset()
    found = {"data_bytes_per_s": seen.bytes_per_s, "data_limit": seen.limit}
    if seen.device_idle_share is not None:
        found["device_idle_share"] = seen.device_idle_share
    return found


def memory_gib(device: torch.device) -> float:
    """Return the peak memory in GiB: of the device, or of the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
