"""The predictions of a fine-tuning run as a Parquet file: one row per seed and peptide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pepland_data.files.atomic import write_atomic
from pepland_model.finetune.task_data import TaskData
from pepland_model.finetune.task_network import Task
from pepland_model.run.checkpoint import CheckpointError

FILE = "predictions.parquet"


def write_seed_predictions(
    path: Path,
    seed: int,
    data: TaskData,
    task: Task,
    predictions: Mapping[str, npt.NDArray[np.float32]],
) -> None:
    """Write the predictions of one seed for every set.

    Columns: ``seed``, ``set``, ``store``, ``row_id``, ``text``, ``target``, ``prediction``; for a
    classification also ``probability_<class>``. Several targets have ``target_<name>`` and
    ``prediction_<name>``.
    """
    parts = [_table(seed, name, data, task, values) for name, values in predictions.items()]
    _write(path, pa.concat_tables(parts))


def _table(
    seed: int, name: str, data: TaskData, task: Task, values: npt.NDArray[np.float32]
) -> Any:
    rows = data.sets[name]
    columns: dict[str, Any] = {
        "seed": pa.array(np.full(len(rows), seed, np.int64)),
        "set": pa.array([name] * len(rows), pa.string()),
        **_origin(data, name),
        **_columns(task, data.targets[rows], values),
    }
    return pa.table(columns)


def _origin(data: TaskData, name: str) -> dict[str, Any]:
    """Return the columns store, row_id and text for the peptides of a set."""
    found: dict[str, list[Any]] = {"store": [], "row_id": [], "text": []}
    for store, rows in zip(data.stores, data.subset(name), strict=True):
        found["store"] += [str(store.path)] * len(rows)
        found["row_id"] += store.row_id[rows].tolist()
        found["text"] += [store.smiles[i] for i in rows.tolist()]
    kinds = {"store": pa.string(), "row_id": pa.int64(), "text": pa.large_string()}
    return {key: pa.array(values, kinds[key]) for key, values in found.items()}


def _columns(
    task: Task, target: npt.NDArray[Any], values: npt.NDArray[np.float32]
) -> dict[str, Any]:
    """Return the columns of targets and predictions.

    Args:
        task: the task.
        target: [N, T] values, or [N] classes.
        values: [N, T] in the units of the columns, or [N, C] probabilities.
    """
    if task.kind == "regression":
        return {
            name: pa.array(column, from_pandas=True)
            for what, found in (("target", target), ("prediction", values))
            for name, column in zip(value_columns(task.targets, what), found.T, strict=True)
        }
    measured, guessed = (
        pa.array([task.classes[i] for i in rows.tolist()], pa.string())
        for rows in (target, values.argmax(1))
    )
    shares = {f"probability_{c}": pa.array(values[:, i]) for i, c in enumerate(task.classes)}
    return {"target": measured, "prediction": guessed, **shares}


def value_columns(targets: Sequence[str], what: str) -> list[str]:
    """Return the names of the columns of ``target`` or ``prediction``, one for each target."""
    return [what] if len(targets) == 1 else [f"{what}_{name}" for name in targets]


def values_of(table: Any, what: str) -> list[str]:
    """Return the columns of a table with ``target`` or ``prediction``, one for each target."""
    return [n for n in table.column_names if n == what or n.startswith(f"{what}_")]


def join_predictions(run: Path, folders: Sequence[Path]) -> Path:
    """Write the predictions of all finished seeds to one file; return its path."""
    try:
        joined = pa.concat_tables([pq.read_table(folder / FILE) for folder in folders])
    except (pa.ArrowException, OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise CheckpointError(
            f"{FILE} of a seed of {run} cannot be read ({why}); delete the folder of the seed and "
            "run the same command again"
        ) from error
    _write(run / FILE, joined)
    return run / FILE


def _write(path: Path, table: Any) -> None:
    write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))
