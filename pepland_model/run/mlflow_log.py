"""Send metrics to MLflow, if it is installed and a tracking address is set."""

from __future__ import annotations

from pathlib import Path

from pepland_model.run.tracker import Tracker, settings


class MlflowLog(Tracker):
    """One MLflow run; its id is in ``mlflow.json`` of the run folder."""

    title, package, variable = "MLflow", "mlflow", "MLFLOW_TRACKING_URI"

    def _start(self, run: Path, known: str | None) -> str:
        if known is not None:
            self._client.start_run(run_id=known)
            return known
        started = self._client.start_run(run_name=run.resolve().name)
        if found := settings(run):
            self._client.log_params(found)
        return str(started.info.run_id)

    def _send(self, numbers: dict[str, float], step: int) -> None:
        self._client.log_metrics(numbers, step=step)

    def _end(self) -> None:
        self._client.end_run()
