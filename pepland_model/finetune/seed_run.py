"""One seed of a fine-tuning run: train, keep the best, go on after a kill, predict every set."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.loader.graph_loader import GraphLoader
from pepland_model.finetune.metrics import classification_metrics, regression_metrics
from pepland_model.finetune.task_data import TaskData
from pepland_model.finetune.task_network import Task, TaskNetwork
from pepland_model.finetune.task_step import TaskStepper
from pepland_model.finetune.vector_loader import VectorLoader
from pepland_model.run.checkpoint import latest_checkpoint, prune, step_folder, write_checkpoint
from pepland_model.run.config import TrainConfig
from pepland_model.run.distributed import World
from pepland_model.run.log import RunLog, rewind
from pepland_model.run.progress import Progress
from pepland_model.run.signals import StopRequest
from pepland_model.train.feed import Feed
from pepland_model.train.guard import Guard
from pepland_model.train.optim import load_optimizer_tensors, optimizer_tensors
from pepland_model.train.run_state import warn_of_threads


@dataclass
class SeedState:
    """Where the run of a seed is; plain values, as a checkpoint keeps them."""

    step: int = 0
    evaluated_epoch: int = -1
    """Last epoch that was evaluated."""
    best_loss: float | None = None
    best_epoch: int = -1
    without_gain: int = 0
    """Epochs since the best one."""
    window_loss: float = 0.0
    """Loss sum since the last line of metrics."""
    window_weight: float = 0.0
    best: dict[str, Tensor] = field(default_factory=dict)
    """Trained weights of the best epoch."""

    def values(self) -> dict[str, Any]:
        """Return all but the tensors."""
        return {key: value for key, value in vars(self).items() if key != "best"}


class SeedRun:
    """One seed, with everything built.

    Args:
        config: the run.
        data: its peptides.
        task: what is predicted.
        network: fresh, on the device.
        features: pooled views of all peptides where the encoder is frozen, else None.
        seed: of head, order and dropout.
        folder: where this seed's files go.
        progress: where people look.
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
        self.feed = Feed(loader, config.data.accumulate, steps)
        self.total = config.run.max_steps or config.run.epochs * steps
        self.targets = torch.from_numpy(data.targets).to(self.device)
        self.stepper = TaskStepper(network, task, self.targets, config, self.total)
        remedy = "try a lower --lr or --head-lr, or --precision fp32, with another --out"
        self.guard = Guard(folder, World(0, 1, self.device), True, remedy)
        self.state = SeedState()
        self._held: dict[str, Any] = {}
        self._saved_at = time.perf_counter()

    def _loader(self, name: str, shuffle: bool = False) -> Any:
        if self.features is not None:
            rows = self.data.sets[name]
            return VectorLoader(self.features, rows, self.part, shuffle, self.seed)
        return GraphLoader(
            self.data.stores, self.part, shuffle=shuffle, seed=self.seed, device=self.device,
            tier=self.config.data.tier, subset=list(self.data.subset(name)),
        )  # fmt: skip

    def run(self, stop: StopRequest) -> dict[str, Any] | None:
        """Train to the end; return what is known then, None where a signal came before.

        Raises:
            NonFiniteError: the loss became NaN or infinite.
            OSError: the checkpoint after a signal could not be written.
        """
        self._resume()
        log = RunLog(self.folder)
        try:
            while not self._done():
                if stop.received:
                    self._save(must=True)
                    return None
                if self._epoch_is_over():
                    self._end_of_epoch(log)
                else:
                    self._step(log)
            if self.state.evaluated_epoch < self.feed.epoch:
                self._evaluate(log)
        finally:
            self.feed.close()
            log.close()
        return self._finish()

    def _done(self) -> bool:
        patience = self.config.run.patience
        return self.state.step >= self.total or 0 < patience <= self.state.without_gain

    def _epoch_is_over(self) -> bool:
        over = self.feed.step_in_epoch == self.feed.steps_per_epoch
        return over and self.state.evaluated_epoch < self.feed.epoch

    def _resume(self) -> None:
        found = latest_checkpoint(self.folder)
        rewind(self.folder, -1 if found is None else found.state["step"])
        if found is None:
            return
        warn_of_threads(found.state, self.device)
        values = {key: found.state[key] for key in self.state.values()}
        self.state = SeedState(**values, best=found.tensors.get("best", {}))
        self._put(found.tensors["weights"])
        load_optimizer_tensors(
            self.stepper.optimizer, self.stepper.named, found.tensors.get("optimizer", {})
        )
        self.feed.load_state_dict(found.state["feed"])
        torch.set_rng_state(found.tensors["generators"]["cpu"])
        if "cuda" in found.tensors["generators"]:
            torch.cuda.set_rng_state(found.tensors["generators"]["cuda"], self.device)
        self.progress.say(f"seed {self.seed}: going on from step {self.state.step}")

    def _put(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in weights.items():
                self.stepper.named[name].copy_(value)

    def _step(self, log: RunLog) -> None:
        self.network.train()
        epoch, parts = self.feed.next()
        result = self.stepper.step(self.state.step, parts)
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
            self.state.window_loss = self.state.window_weight = 0.0

    def _end_of_epoch(self, log: RunLog) -> None:
        self._evaluate(log)
        minutes = self.config.run.checkpoint_minutes
        if minutes and time.perf_counter() - self._saved_at > 60 * minutes:
            self._save()

    def _evaluate(self, log: RunLog) -> None:
        """Look at the validation set; without one the last epoch counts as the best."""
        self.guard.check()
        state = self.state
        state.evaluated_epoch = self.feed.epoch
        found: dict[str, float] = {}
        if "valid" in self.data.sets:
            predictions, loss = self.predict("valid")
            found = {"loss": loss, **self.metrics("valid", predictions)}
            log.write("eval", state.step, {"epoch": self.feed.epoch, **known(found)})
        better = not found or state.best_loss is None or found["loss"] < state.best_loss
        state.without_gain = 0 if better else state.without_gain + 1
        if better:
            state.best_loss, state.best_epoch = found.get("loss"), self.feed.epoch
            state.best = {n: p.detach().cpu().clone() for n, p in self.stepper.named.items()}

    @torch.no_grad()
    def predict(self, name: str) -> tuple[npt.NDArray[np.float32], float]:
        """Return predictions for a set, in the order of `TaskData.sets`, and their loss."""
        self.network.eval()
        loss = weight = 0.0
        index, parts = [], []
        if name not in self._held:
            self._held[name] = self._loader(name)
        self._held[name].set_epoch(0)
        for batch in self._held[name]:
            outputs, target = self.stepper.outputs(batch), self.targets[batch.graph_index]
            loss += float(self.task.loss_sum(outputs, target))
            weight += float(self.task.weight_sum(target))
            index.append(batch.graph_index.cpu().numpy())
            parts.append(self.task.predictions(outputs).cpu().numpy())
        order = np.argsort(np.concatenate(index))  # a set's rows are ascending
        return np.concatenate(parts)[order], loss / weight

    def metrics(self, name: str, predictions: npt.NDArray[np.float32]) -> dict[str, float]:
        """Return the figures of a set."""
        target = self.data.targets[self.data.sets[name]]
        if self.task.kind == "regression":
            return regression_metrics(target, predictions[:, 0].astype(np.float64))
        return classification_metrics(target, predictions.astype(np.float64))

    def _save(self, must: bool = False) -> None:
        """Write a checkpoint; a full disk costs this one, not the run, unless it is a last one."""
        self.guard.check()
        generators = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self.device)
        named = self.stepper.named
        tensors: dict[str, dict[str, Tensor]] = {
            "weights": {name: p.detach() for name, p in named.items()},
            "best": self.state.best,
            "generators": generators,
            "optimizer": optimizer_tensors(self.stepper.optimizer, named),
        }
        values = {**self.state.values(), "feed": self.feed.state_dict()}
        values["threads"] = torch.get_num_threads()
        try:
            write_checkpoint(step_folder(self.folder, self.state.step), values, tensors)
            prune(self.folder, self.config.run.keep)
        except OSError as error:
            message = f"the checkpoint of step {self.state.step} could not be written: {error}"
            if must:
                raise OSError(f"{message}; make room, then run the same command again") from error
            warnings.warn(f"{message}; training goes on, free some space", stacklevel=2)
        self._saved_at = time.perf_counter()

    def _finish(self) -> dict[str, Any]:
        """Return the figures and predictions of the best epoch's weights, which stay in place."""
        self._put(self.state.best)
        predictions = {name: self.predict(name)[0] for name in self.data.sets}
        return {
            "seed": self.seed, "steps": self.state.step, "epochs": self.feed.epoch + 1,
            "best_epoch": self.state.best_epoch, "best_loss": self.state.best_loss,
            "metrics": {n: known(self.metrics(n, p)) for n, p in predictions.items()},
            "predictions": predictions,
        }  # fmt: skip


def known(figures: dict[str, float]) -> dict[str, float | None]:
    """Return figures for a JSON file: NaN becomes None."""
    return {key: None if value != value else value for key, value in figures.items()}
