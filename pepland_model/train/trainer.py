"""Pre-training runs that cannot be lost: the loop, and what happens around it.

``train(config)`` opens the data, builds or restores the network, steps, logs, evaluates and writes
checkpoints until the run is finished or told to stop. Calling it again with the same configuration
goes on from the newest whole checkpoint; on a CPU the losses are those of an undisturbed run.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pepland_model.run.checkpoint import Checkpoint, mark_best, prune, step_folder, write_checkpoint
from pepland_model.run.config import TrainConfig
from pepland_model.run.distributed import World
from pepland_model.run.log import RunLog
from pepland_model.run.progress import Progress
from pepland_model.run.run_data import RunData
from pepland_model.run.signals import StopRequest
from pepland_model.train.evaluate import evaluate, frequency_baseline, tally_metrics
from pepland_model.train.feed import Feed
from pepland_model.train.guard import Guard
from pepland_model.train.mask import Masked, MaskOptions
from pepland_model.train.memory import (
    OutOfMemoryError,
    first_graphs,
    is_out_of_memory,
    largest_fit,
    sentence,
)
from pepland_model.train.pretrain_network import PretrainNetwork, save_network
from pepland_model.train.profile import profile_steps
from pepland_model.train.run_state import RunState, restore, state_tensors, state_values
from pepland_model.train.step import Stepper, StepResult, masked_parts

PROFILED_STEPS = 10


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    status: str
    """``finished``, ``stopped early`` or the name of the signal that stopped it."""
    steps: int
    """Optimizer steps done."""
    epoch: int
    """Epoch of the last one."""
    metrics: dict[str, float]
    """Last evaluation."""
    baseline: dict[str, float]
    """Loss and accuracy of answering with the label frequencies."""
    best_loss: float
    """Lowest validation loss."""
    best_step: int
    """Step it was seen at."""


class Trainer:
    """One run in one process, with everything built.

    Args:
        config: the resolved configuration.
        world: processes of the run.
        data: this rank's loaders.
        network: encoder and heads on the device.
        progress: where people look.
        log: where numbers go; None on other ranks.
    """

    def __init__(
        self,
        config: TrainConfig,
        world: World,
        data: RunData,
        network: PretrainNetwork,
        progress: Progress,
        log: RunLog | None,
    ) -> None:
        self.config, self.world, self.data, self.network = config, world, data, network
        self.progress, self.log = progress, log
        self.run_folder = Path(config.run.out)
        self.total = config.run.max_steps or config.run.epochs * data.steps_per_epoch
        progress.total = self.total
        self.masks = MaskOptions.of(config.mask)
        self.feed = Feed(data.train, config.data.accumulate, data.steps_per_epoch)
        self.stepper = Stepper(network, config.optim, world, self.total)
        scaled = self.stepper.scaler.is_enabled()
        self.guard = Guard(self.run_folder, world, not scaled, remedy(self.run_folder))
        self.state = RunState()
        self.baseline: dict[str, float] = {}
        self._saved_step, self._saved_at = -1, time.perf_counter()
        self._last: StepResult | None = None
        self._clock, self._waited, self._clock_step = time.perf_counter(), 0.0, 0

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.state = restore(self.stepper, checkpoint)
        self.feed.load_state_dict(checkpoint.state["feed"])
        self._saved_step = self.progress.start = self._clock_step = self.state.step

    def run(self, stop: StopRequest) -> Outcome:
        """Train until the end, an early stop or a signal; a checkpoint is written in each case."""
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
            self.feed.close()
        s = self.state
        return Outcome(
            status, s.step, self.feed.epoch, s.metrics, self.baseline, s.best_loss, s.best_step
        )

    def _advance(self) -> None:
        if self.config.run.profile and self.state.step == self.progress.start + 3:
            folder = self.run_folder / "profile"
            count = min(PROFILED_STEPS, self.total - self.state.step)
            profile = profile_steps(self._step, count, folder, self.world.device)
            self.progress.say(profile.text())
        else:
            self._step()

    def _step(self) -> float:
        """Do one optimizer step and what belongs to it; return the seconds waited for data."""
        waited = self.feed.waited_s
        epoch, batches = self.feed.next()
        parts = masked_parts(batches, self.masks, self.config.run.seed, epoch)
        try:
            result = self.stepper.step(self.state.step, parts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            full = max(parts, key=lambda masked: len(masked.batch.atom_code))
            del parts, error
            raise OutOfMemoryError(self._what_fits(full, why)) from None
        self.state.step += 1
        self.guard.add(self.state.step, epoch, batches, result)
        every = self.config.run.log_every
        logs = self.state.step % every == 0 or self.state.step == self.total
        if logs or self.world.device.type == "cpu":
            self.guard.check()
        if self.state.window.device != result.tally.device:
            self.state.window = self.state.window.to(result.tally.device)
        self.state.window += result.tally
        self.state.window_steps += 1
        self._last = result
        if logs:
            self._log_window(epoch)
        return self.feed.waited_s - waited

    def _what_fits(self, full: Masked, why: str) -> str:
        """Try smaller parts of a batch that was too large; return what to say."""
        graphs, world = full.batch.graph_index, self.world
        fit = largest_fit(lambda n: self.stepper.rehearse(first_graphs(full, n)), len(graphs))
        return sentence(self.config, world.size, world.device, len(graphs), fit, why)

    def _log_window(self, epoch: int) -> None:
        assert self._last is not None
        state, now = self.state, time.perf_counter()
        seconds, waited = now - self._clock, self.feed.waited_s - self._waited
        values: dict[str, Any] = {"epoch": epoch, **tally_metrics(state.window)}
        values["lr"], values["gradient_norm"] = self._last.lr, float(self._last.gradient_norm)
        done = state.step - self._clock_step
        values["graphs_per_s"] = self.config.data.batch_size * done / seconds
        values["waiting_share"] = min(1.0, waited / seconds)
        values["memory_gib"] = memory_gib(self.world.device)
        values |= starvation(self.data.train)
        if self.log:
            self.log.write("train", state.step, values)
        self.progress.update(state.step, summary_line(values), force=state.step == self.total)
        if state.step % self.config.run.log_every == 0:  # a longer run goes on with its window
            state.window.zero_()
            state.window_steps = 0
            self._clock, self._waited = now, self.feed.waited_s
            self._clock_step = state.step

    def _due(self, every: int) -> bool:
        return every > 0 and self.state.step % every == 0

    def _time_to_save(self) -> bool:
        """Return, on all ranks alike, whether the last checkpoint is too long ago."""
        minutes = self.config.run.checkpoint_minutes
        if not minutes or not self._due(self.config.run.log_every):
            return False
        return self.world.any(time.perf_counter() - self._saved_at > 60 * minutes)

    def _stop_requested(self, stop: StopRequest) -> bool:
        often = self.world.size == 1 or self.world.device.type == "cpu"
        if often or self._due(self.config.run.log_every):
            return self.world.any(stop.received is not None)
        return False

    def _measure_baseline(self) -> None:
        held_out = self.data.evaluation()
        if held_out is None:
            return
        self.baseline = frequency_baseline(self.network, held_out, self.masks, self.world)
        if self.log and self.baseline:
            b = self.baseline
            parts = [
                f"{term} {b[f'{term}_loss']:.3f} (accuracy {b[f'{term}_accuracy']:.1%})"
                for term in ("atom", "fragment", "bond")
                if f"{term}_loss" in b
            ]
            self.progress.say(f"loss of predicting corpus frequencies: {', '.join(parts)}")
            self.log.write("start", self.state.step, {f"baseline_{k}": v for k, v in b.items()})

    def _evaluate(self) -> bool:
        """Evaluate, keep the best; return whether it is time to stop early."""
        held_out = self.data.evaluation()
        if held_out is None:
            return False
        self.guard.check()
        clock = time.perf_counter()
        self._swap_average()
        found = evaluate(self.network, held_out, self.masks, self.world, self.stepper.precision)
        self._swap_average()
        self.state.metrics, self.state.evaluated_step = found, self.state.step
        if self.log:
            self.log.write("eval", self.state.step, found)
        self.progress.say(evaluation_line(self.state.step, found, self.baseline))
        better = found["loss"] < self.state.best_loss
        if better:
            self.state.best_loss, self.state.best_step = found["loss"], self.state.step
        self.state.without_gain = 0 if better else self.state.without_gain + 1
        if better:
            self._save(best=True)
        self._clock += time.perf_counter() - clock
        patience = self.config.run.patience
        return 0 < patience <= self.state.without_gain

    def _evaluate_if_missing(self) -> None:
        """Evaluate where a signal came between a step and its evaluation, and at the end."""
        if self.state.evaluated_step != self.state.step:
            self._evaluate()

    def _swap_average(self) -> None:
        if self.stepper.average is not None:
            self.stepper.average.swap()

    def _save(self, best: bool = False, final: bool = False) -> None:
        """Write a checkpoint; a full disk costs this one, not the run, unless it is the last."""
        self.guard.check()
        failed: OSError | None = None
        if self.world.is_main and (best or self.state.step != self._saved_step):
            try:
                self._write(best)
                self._saved_step = self.state.step
            except OSError as error:
                failed = error
        self._saved_at = time.perf_counter()
        self.world.barrier()
        if failed is not None:
            message = f"the checkpoint of step {self.state.step} could not be written: {failed}"
            if final:
                raise OSError(f"{message}; make room, then run the same command again")
            warnings.warn(f"{message}; training goes on, free some space", stacklevel=2)

    def _write(self, best: bool) -> None:
        values = state_values(self.stepper, self.state, self.feed.state_dict())
        values |= {"config": self.config.as_dict(), "data": self.data.fingerprint}
        values["cut"] = self.data.cut
        tensors = state_tensors(self.stepper, self.state)
        folder = step_folder(self.run_folder, self.state.step)
        write_checkpoint(folder, values, tensors, self._write_model)
        if best:
            mark_best(self.run_folder, folder, {"step": self.state.step, **self.state.metrics})
        prune(self.run_folder, self.config.run.keep)

    def _write_model(self, folder: Path) -> None:
        """Write the model as others load it: the moving average where there is one."""
        self._swap_average()
        try:
            save_network(self.network, folder)
        finally:
            self._swap_average()


def remedy(run: Path) -> str:
    """Return what to do about a loss that is not finite: a run keeps its settings to its end."""
    return (
        f"try a lower --lr, --clip 1 or --precision fp32 with another --out; --init-from {run} "
        "takes the best checkpoint's weights along, if there is one"
    )


def starvation(loader: Any) -> dict[str, Any]:
    """Return what a loader's meter saw since it was asked last; nothing where it has none."""
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
    """Return the largest memory so far: of the device, or of the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def summary_line(values: dict[str, Any]) -> str:
    """Return what the progress bar shows."""
    shares = [
        f"{term} {values[f'{term}_accuracy']:.1%}"
        for term in ("atom", "fragment", "bond")
        if f"{term}_accuracy" in values
    ]
    return (
        f"loss {values['loss']:.3f}, {', '.join(shares)}, {values['graphs_per_s']:.0f}/s, "
        f"waiting {values['waiting_share']:.1%}{_for_what(values)}, "
        f"{values['memory_gib']:.1f} GiB"
    )


def _for_what(values: dict[str, Any]) -> str:
    """Return what makes the step wait: disk, gather or copy; nothing where it does not wait."""
    limit = values.get("data_limit", "consumer")
    return "" if limit == "consumer" else f" ({limit})"


def evaluation_line(step: int, metrics: dict[str, float], baseline: dict[str, float]) -> str:
    """Return one line that shows losses beside those of the corpus frequencies."""
    parts = [
        f"{term} {metrics[f'{term}_loss']:.3f} (frequencies {baseline.get(f'{term}_loss', 0):.3f}),"
        f" accuracy {metrics[f'{term}_accuracy']:.1%} "
        f"(most frequent {baseline.get(f'{term}_accuracy', 0):.1%})"
        for term in ("atom", "fragment", "bond")
        if f"{term}_loss" in metrics
    ]
    return f"step {step}, validation: {'; '.join(parts)}"
