"""The stores of a run, and which of their rows are trained on or held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.files.remote import is_remote, local_path
from pepland_data.hashing import salted
from pepland_data.store.graph_store import GraphStore, open_store
from pepland_data.store.split.recorded import open_split, split_names
from pepland_model.run.config import DataConfig

Rows = npt.NDArray[np.int64]
PARTS = ("train", "valid", "test")
DEFAULT_SPLIT = "default"
"""Name of the recorded split that a run uses."""


@dataclass(frozen=True, eq=False)
class RunStore:
    """One store, with the rows to train and to evaluate on."""

    store: GraphStore
    rows: Rows
    """[N] int64, rows to train on, ascending."""
    valid_store: GraphStore | None
    """Store of the validation rows; None if there are none."""
    valid_rows: Rows
    split: str = "drawn"
    """Origin of the two sets, for people."""


def open_sets(path: str, names: Sequence[str] = PARTS) -> dict[str, GraphStore]:
    """Return a store under the key '', or the stores of a folder with ``train/`` by set name.

    Args:
        path: a store, or a folder of stores.
        names: sets to open; one without a folder is left out.
    """
    folder = local_path(path)
    is_store = is_remote(path) or (folder / "manifest.json").is_file()
    if is_store or not (folder / "train").is_dir():
        return {"": open_store(path)}
    return {name: open_store(folder / name) for name in names if (folder / name).is_dir()}


def open_source(path: str, data: DataConfig) -> RunStore:
    """Return the training and validation rows of a store or a folder of stores."""
    found = open_sets(path, ("train", "valid"))
    if "" not in found:
        store, valid_store = found["train"], found.get("valid")
        valid_rows = np.arange(0 if valid_store is None else len(valid_store))
        return RunStore(store, np.arange(len(store)), valid_store, valid_rows)
    store, origin = found[""], "drawn"
    train: Rows = np.arange(len(store))
    valid: Rows | None = None
    if DEFAULT_SPLIT in split_names(store):
        split = open_split(store, DEFAULT_SPLIT)
        origin = f"{split.name} by {split.method}, recorded"
        train = split.rows("train")
        valid = split.rows("valid") if "valid" in split.sets else None
    if valid is None:
        train, valid = hold_out(train, data)
    return RunStore(store, train, store if len(valid) else None, valid, origin)


def hold_out(rows: Rows, data: DataConfig) -> tuple[Rows, Rows]:
    """Split rows into training and validation rows, as the configuration says."""
    kept, held = split_rows(len(rows), data.valid_fraction, data.split_seed)
    return rows[kept], rows[held]


def split_rows(graphs: int, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Split 0..graphs-1 into training and validation rows.

    A hash of (seed, row) decides for each row, so a row keeps its set when the store grows.
    """
    if graphs < 2 or fraction <= 0:
        return np.arange(graphs), np.zeros(0, np.int64)
    hashes = salted(np.arange(graphs, dtype=np.uint64), seed)
    held = hashes < np.uint64(int(fraction * 2**64))
    if not held.any():  # few rows: hold out at least one
        held[np.argmin(hashes)] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def common_cut(stores: Sequence[GraphStore]) -> str:
    """Return the cut of all stores, '' if it is not known; InputError if they differ."""
    cuts = {str(store.path): str(store.manifest.options.get("cut", "")) for store in stores}
    if len(set(cuts.values())) > 1:
        found = ", ".join(f"{path} {cut}" for path, cut in cuts.items())
        raise InputError(
            f"the stores were cut in different ways ({found}), so their fragments do not fit "
            "together; build them with the same --cut"
        )
    return next(iter(cuts.values()))


def store_digest(store: GraphStore) -> str:
    """Return a digest of the checksums of all files of a store."""
    sums = "\n".join(f"{entry.file} {entry.sha256}" for entry in store.manifest.entries())
    return hashlib.sha256(sums.encode()).hexdigest()
