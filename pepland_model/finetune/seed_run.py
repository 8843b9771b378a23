"""One seed of a fine-tuning run: train, keep the best weights, resume, predict every set."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.files.json_forms import any_real, items, maybe, record, text, whole
from pepland_data.loader.graph_loader import GraphLoader
from pepland_model.finetune.metrics import (
    BETTER_HIGH,
    Metrics,
    metrics_by_target,
    metrics_of,
    nan_as_none,
)
from pepland_model.finetune.readout import fit_statistics
from pepland_model.finetune.task_data import TaskData
from pepland_model.finetune.task_network import Task, TaskNetwork
from pepland_model.finetune.task_step import TaskUpdater
from pepland_model.finetune.trouble import (
    constant_predictions,
    no_better_than_mean,
    vanished_gradient,
)
from pepland_model.finetune.vector_loader import VectorLoader
from pepland_model.run.checkpoint import (
    latest_checkpoint,
    prune,
    refused_if_unusable,
    step_folder,
    write_checkpoint,
)
from pepland_model.run.config import TrainConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.run.log import RunLog, drop_events_after
from pepland_model.run.progress import Progress
from pepland_model.run.signals import StopRequest
from pepland_model.train.nonfinite import NonFiniteGuard
from pepland_model.train.optim import load_optimizer_tensors, optimizer_tensors
from pepland_model.train.run_state import (
    FEED,
    generator_states,
    restore_generators,
    warn_if_threads_differ,
)
from pepland_model.train.step_batches import StepBatches


@dataclass
class SeedState:
    """Progress of the run of a seed, as in its checkpoints."""

    step: int = 0
    evaluated_epoch: int = -1
    """Last evaluated epoch."""
    best_value: float | None = None
    """Validation figure of the best epoch, see `TaskConfig.monitor`."""
    best_loss: float | None = None
    """Its validation loss."""
    best_epoch: int = -1
    without_gain: int = 0
    """Epochs since the best one."""
    window_loss: float = 0.0
    """Loss sum since the last line of metrics."""
    window_weight: float = 0.0
    """Weight sum of these losses."""
    warnings: list[str] = field(default_factory=list)
    """What was said about a training that does not learn."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """Trained weights of the best epoch, and statistics of the head."""

    def values(self) -> dict[str, Any]:
        """Return the JSON values, which are all but the tensors."""
        return {key: value for key, value in vars(self).items() if key != "best"}


SAMPLE = 4096
"""Training peptides that the statistics of the head are taken from."""
SEED = record(
    {
        **dict.fromkeys(("step", "without_gain"), whole()),
        **dict.fromkeys(("evaluated_epoch", "best_epoch"), whole(-1)),
        **dict.fromkeys(("window_loss", "window_weight"), any_real),
        **dict.fromkeys(("best_value", "best_loss"), maybe(any_real)),
        "warnings": items(text),
        "feed": FEED,
    },
    {"threads": maybe(whole())},
)
"""What a checkpoint of a seed holds."""


class SeedRun:
    """The run of one seed.

    Args:
        config: the run.
        data: targets and sets.
        task: the task.
        network: a new network, on the device.
        features: pooled views of all peptides if the encoder is frozen, else None.
        seed: seed of head, order and dropout.
        folder: folder of this seed.
        progress: shows the progress to people.
    """

    def __init__(
        self, config: TrainConfig, data: TaskData, task: Task, network: TaskNetwork,
        features: Tensor | None, seed: int, folder: Path, progress: Progress,
    ) -> None:  # fmt: skip
        self.config, self.data, self.task, self.network = config, data, task, network
        self.features, self.seed, self.folder, self.progress = features, seed, folder, progress
        self.device = next(network.parameters()).device
        self.part = config.data.batch_size // config.data.accumulate
        loader = self._loader("train", shuffle=True)
        steps = -(-len(loader) // config.data.accumulate)
        self.step_batches = StepBatches(loader, config.data.accumulate, steps)
        self.total = config.run.max_steps or config.run.epochs * steps
        self.targets = torch.from_numpy(data.targets).to(self.device)
        self.updater = TaskUpdater(network, task, self.targets, config, self.total)
        buffers = dict(network.head.named_buffers(prefix="head"))
        self.kept: dict[str, Tensor] = {**self.updater.named, **buffers}
        remedy = "try a lower --lr or --head-lr, or --precision fp32, with another --out"
        self.guard = NonFiniteGuard(folder, ProcessGroup(0, 1, self.device), True, remedy)
        self.state = SeedState()
        self._set_loaders: dict[str, Any] = {}
        self._saved_at = time.perf_counter()

    def _loader(self, name: str, shuffle: bool = False, size: int = 0) -> Any:
        size = size or self.part
        if self.features is not None:
            return VectorLoader(self.features, self.data.sets[name], size, shuffle, self.seed)
        return GraphLoader(
            self.data.stores, size, shuffle=shuffle, seed=self.seed, device=self.device,
            tier=self.config.data.tier, subset=list(self.data.subset(name)),
        )  # fmt: skip

    def run(self, stop: StopRequest) -> dict[str, Any] | None:
        """Train to the end; return metrics and predictions, or None if a signal stopped the run.

        Raises:
            NonFiniteError: the loss became NaN or infinite.
            OSError: the checkpoint after a signal could not be written.
        """
        self._fit_statistics()
        self._resume()
        log = RunLog(self.folder)
        try:
            while not self._done():
                if stop.received:
                    self._save(final=True)
                    return None
                if self._epoch_is_over():
                    self._end_of_epoch(log)
                else:
                    self._step(log)
            if self.state.evaluated_epoch < self.step_batches.epoch:
                self._evaluate(log)
        finally:
            self.step_batches.close()
            log.close()
        return self._finish()

    def _done(self) -> bool:
        patience = self.config.run.patience
        return self.state.step >= self.total or 0 < patience <= self.state.without_gain

    def _epoch_is_over(self) -> bool:
        over = self.step_batches.step_in_epoch == self.step_batches.steps_per_epoch
        return over and self.state.evaluated_epoch < self.step_batches.epoch

    def _resume(self) -> None:
        found = latest_checkpoint(self.folder, SEED)
        drop_events_after(self.folder, -1 if found is None else found.state["step"])
        if found is None:
            return
        warn_if_threads_differ(found.state, self.device)
        values = {key: found.state[key] for key in self.state.values()}
        tensors = found.tensors
        self.state = SeedState(**values, best=tensors.get("best", {}))
        with refused_if_unusable(found.path):
            for weights in filter(None, (self.state.best, tensors["weights"])):
                self._load(weights)
            load_optimizer_tensors(
                self.updater.optimizer, self.updater.named, tensors.get("optimizer", {})
            )
            self.step_batches.load_state_dict(found.state["feed"])
            restore_generators(tensors["generators"], self.device)
        self.progress.say(f"seed {self.seed}: resuming from step {self.state.step}")

    def _load(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, kept in self.kept.items():
                if weights[name].shape != kept.shape:
                    raise ValueError(f"{name} has shape {tuple(weights[name].shape)}")
                kept.copy_(weights[name])

    def _fit_statistics(self) -> None:
        """Set the statistics of the head from `SAMPLE` training peptides."""
        loader = self._loader("train", shuffle=True, size=256)
        loader.set_epoch(0)
        fit_statistics(self.network, islice(loader, SAMPLE // 256))

    def _step(self, log: RunLog) -> None:
        self.network.train()
        epoch, parts = self.step_batches.next()
        result = self.updater.step(self.state.step, parts)
        self.state.step += 1
        self.guard.add(self.state.step, epoch, parts, result)
        logs = self.state.step % self.config.run.log_every == 0
        if logs or self.device.type == "cpu":
            self.guard.check()
        self.state.window_loss += float(result.tally[0, 0])
        self.state.window_weight += float(result.tally[0, 2])
        if logs:
            loss = self.state.window_loss / self.state.window_weight
            log.write("train", self.state.step, {"epoch": epoch, "loss": loss, "lr": result.lr})
            self.progress.update(self.state.step, f"seed {self.seed} loss {loss:.4f}")
            self._warn(log, vanished_gradient(float(result.gradient_norm)))
            self.state.window_loss = self.state.window_weight = 0.0

    def _end_of_epoch(self, log: RunLog) -> None:
        self._evaluate(log)
        minutes = self.config.run.checkpoint_minutes
        if minutes and time.perf_counter() - self._saved_at > 60 * minutes:
            self._save()

    def _evaluate(self, log: RunLog) -> None:
        """Evaluate on the validation set; without one, the last epoch counts as the best."""
        self.guard.check()
        state = self.state
        state.evaluated_epoch = self.step_batches.epoch
        self._fit_statistics()
        found: Metrics = {}
        if "valid" in self.data.sets:
            predictions, loss = self.predict("valid")
            found = {"loss": loss, **self.metrics("valid", predictions)}
            log.write("eval", state.step, {"epoch": self.step_batches.epoch, **nan_as_none(found)})
            target = self.data.targets[self.data.sets["valid"]]
            self._warn(log, constant_predictions(self.task, predictions, target))
        state.without_gain += 1
        if not found or self._is_better(found):
            state.without_gain = 0
            state.best_loss, state.best_epoch = found.get("loss"), self.step_batches.epoch
            state.best = {n: p.detach().cpu().clone() for n, p in self.kept.items()}

    def _is_better(self, found: Metrics) -> bool:
        """Return whether these figures are the best so far, and remember them if so."""
        monitor = self.config.finetune.monitor
        value = -found[monitor] if monitor in BETTER_HIGH else found[monitor]
        best = self.state.best_value
        if best is not None and not value < best:
            return False
        self.state.best_value = None if value != value else value
        return True

    def _warn(self, log: RunLog, sentence: str) -> None:
        """Say a sentence, unless it is empty or something like it was said before."""
        said = {text.split()[:4] == sentence.split()[:4] for text in self.state.warnings}
        if sentence and True not in said:
            self.state.warnings.append(sentence)
            log.write("warning", self.state.step, {"text": sentence})
            self.progress.say(f"seed {self.seed}, step {self.state.step}: {sentence}")

    @torch.no_grad()
    def predict(self, name: str) -> tuple[npt.NDArray[np.float32], float]:
        """Return the predictions for a set, in the order of `TaskData.sets`, and their loss."""
        self.network.eval()
        loss = weight = 0.0
        index, parts = [], []
        if name not in self._set_loaders:
            self._set_loaders[name] = self._loader(name)
        self._set_loaders[name].set_epoch(0)
        for batch in self._set_loaders[name]:
            outputs, target = self.updater.outputs(batch), self.targets[batch.graph_index]
            loss += float(self.task.loss_sum(outputs, target))
            weight += float(self.task.weight_sum(target))
            index.append(batch.graph_index.cpu().numpy())
            parts.append(self.task.predictions(outputs).cpu().numpy())
        order = np.argsort(np.concatenate(index))  # the rows of a set are ascending
        return np.concatenate(parts)[order], loss / weight

    def metrics(self, name: str, predictions: npt.NDArray[np.float32]) -> Metrics:
        """Return the metrics of a set."""
        target = self.data.targets[self.data.sets[name]]
        return metrics_of(target, predictions.astype(np.float64), self.task.classes)

    def by_target(self, name: str, predictions: npt.NDArray[np.float32]) -> dict[str, Any]:
        """Return target -> metrics of a set."""
        target = self.data.targets[self.data.sets[name]]
        found = metrics_by_target(target, predictions.astype(np.float64))
        return dict(zip(self.data.names, map(nan_as_none, found), strict=True))

    def _save(self, final: bool = False) -> None:
        """Write a checkpoint. If the disk is full, warn; OSError for a final checkpoint."""
        self.guard.check()
        named = self.updater.named
        tensors: dict[str, dict[str, Tensor]] = {
            "weights": {name: kept.detach() for name, kept in self.kept.items()},
            "best": self.state.best,
            "generators": generator_states(self.device),
            "optimizer": optimizer_tensors(self.updater.optimizer, named),
        }
        values = {**self.state.values(), "feed": self.step_batches.state_dict()}
        values["threads"] = torch.get_num_threads()
        try:
            write_checkpoint(step_folder(self.folder, self.state.step), values, tensors)
            prune(self.folder, self.config.run.keep)
        except OSError as error:
            message = f"the checkpoint of step {self.state.step} could not be written: {error}"
            if final:
                raise OSError(f"{message}; make room, then run the same command again") from error
            warnings.warn(f"{message}; free some space, training continues", stacklevel=2)
        self._saved_at = time.perf_counter()

    def _finish(self) -> dict[str, Any]:
        """Load the weights of the best epoch; return their metrics and predictions."""
        self._load(self.state.best)
        predictions = {name: self.predict(name)[0] for name in self.data.sets}
        if "valid" in self.data.sets:
            constant = self.task.constant_loss(self.targets, self.data.sets)
            sentence = no_better_than_mean(self.task, self.state.best_loss, constant)
            self.state.warnings += [sentence] if sentence else []
        return {
            "seed": self.seed, "steps": self.state.step, "epochs": self.step_batches.epoch + 1,
            "best_epoch": self.state.best_epoch, "best_loss": self.state.best_loss,
            "warnings": self.state.warnings,
            "metrics": {n: nan_as_none(self.metrics(n, p)) for n, p in predictions.items()},
            "predictions": predictions,
            **({"by_target": {n: self.by_target(n, p) for n, p in predictions.items()}}
               if len(self.data.names) > 1 else {}),
        }  # fmt: skip
