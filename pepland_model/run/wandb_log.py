"""Send metrics to Weights & Biases, if it is installed and a project is named."""

from __future__ import annotations

from pathlib import Path

from pepland_model.run.tracker import Tracker, settings


class WandbLog(Tracker):
    """One run of Weights & Biases; its id is in ``wandb.json`` of the run folder.

    Its own step numbers only increase, and a resumed run goes back to its checkpoint, so the step
    is sent as a metric ``step``, which is the axis of all others.
    """

    title, package, variable = "Weights & Biases", "wandb", "WANDB_PROJECT"

    def _start(self, run: Path, known: str | None) -> str:
        started = self._client.init(
            id=known, resume="allow" if known else None, name=run.resolve().name, dir=str(run),
            config=settings(run),
        )  # fmt: skip
        self._client.define_metric("*", step_metric="step")
        return str(started.id)

    def _send(self, numbers: dict[str, float], step: int) -> None:
        self._client.log({**numbers, "step": step})

    def _end(self) -> None:
        self._client.finish()
