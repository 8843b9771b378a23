"""Recorded splits: JSON files beside a store that say which graph is in which set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError, StoreDamagedError, StoreNotFoundError
from pepland_data.files.atomic import write_atomic_bytes
from pepland_data.files.json_forms import (
    anything,
    items,
    mapping,
    pattern,
    record,
    sha256_hex,
    text,
)
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.manifest import with_checksum, without_checksum
from pepland_data.store.store_files import check_inside

UNASSIGNED = 255
"""Value of `Split.assignment` for a graph in no set."""
SPLIT = record(
    {
        "name": text,
        "method": text,
        "sets": items(text),
        "recipe": mapping(anything),
        "store": sha256_hex,
        "assignment": pattern("[0-9a-f]*", "bytes in hex"),
    }
)
"""What a file in ``splits`` holds; other names are those of a later release."""


@dataclass(frozen=True, eq=False)
class Split:
    """Which graph is in which set."""

    name: str
    method: str
    sets: tuple[str, ...]
    """Names of the sets."""
    assignment: npt.NDArray[np.uint8]
    """[G] uint8, position in `sets`, or 255 for a graph in no set."""
    recipe: Mapping[str, Any]
    """Parameters the split was made with."""

    def rows(self, name: str) -> npt.NDArray[np.int64]:
        """Return the rows of a set, ascending, for ``GraphLoader(store, subset=...)``. int64."""
        if name not in self.sets:
            raise InputError(
                f"split {self.name!r} has no set {name!r}; its sets are {', '.join(self.sets)}"
            )
        return np.flatnonzero(self.assignment == self.sets.index(name))

    def counts(self) -> dict[str, int]:
        """Return the number of graphs of each set."""
        return {name: len(self.rows(name)) for name in self.sets}


def rows_digest(store: GraphStore) -> str:
    """Return a digest of what decides the rows of a store; a split is valid for equal rows only."""
    m = store.manifest
    parts = [dict(m.versions), dict(m.options), dict(m.input), m.counts["graphs"]]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write_split(store: GraphStore, split: Split) -> Path:
    """Write a split to ``splits/<name>.json``, replacing one of that name, and return the path."""
    body = {
        "name": split.name, "method": split.method, "sets": list(split.sets),
        "recipe": dict(split.recipe), "store": rows_digest(store),
        "assignment": split.assignment.tobytes().hex(),
    }  # fmt: skip
    path = _folder(store) / f"{split.name}.json"
    write_atomic_bytes(path, with_checksum(body))
    if store.mirror is not None:
        store.mirror.remote.upload(path, f"splits/{path.name}")
    return path


def _folder(store: GraphStore) -> Path:
    """Return the folder of the recorded splits; those of a remote store are fetched first."""
    if store.mirror is not None:
        store.mirror.refresh("splits")
    return store.path / "splits"


def split_names(store: GraphStore) -> list[str]:
    """Return the names of the recorded splits."""
    return sorted(p.stem for p in _folder(store).glob("*.json") if p.is_file())


def open_split(store: GraphStore, name: str = "default") -> Split:
    """Read a recorded split.

    Raises:
        StoreNotFoundError: there is no split of that name.
        StoreDamagedError: the file is damaged, or belongs to a store with other rows.
    """
    path = _folder(store) / f"{name}.json"
    if not path.is_file() or "/" in name:
        raise StoreNotFoundError(
            f"{store.location} has no split {name!r}; make one with `pepland-data split`"
        )
    check_inside(store.path, f"splits/{name}.json")
    try:
        body, whole = without_checksum(path.read_bytes())
        SPLIT(body)
        assigned = np.frombuffer(bytes.fromhex(body["assignment"]), np.uint8)
        if problem := _problem(assigned, body["sets"], len(store)):
            raise ValueError(problem)
    except ValueError as error:
        raise StoreDamagedError(f"{path} is damaged ({error}); make the split again") from error
    if not whole or body["store"] != rows_digest(store):
        why = "belongs to a store with other rows" if whole else "is damaged"
        raise StoreDamagedError(f"{path} {why}; make the split again")
    return Split(body["name"], body["method"], tuple(body["sets"]), assigned, body["recipe"])


def _problem(assigned: npt.NDArray[np.uint8], sets: Sequence[str], graphs: int) -> str | None:
    """Return what cannot be true of a split of the right form, None if nothing is wrong."""
    if len(set(sets)) < len(sets):
        return "two sets have the same name"
    if len(assigned) != graphs:
        return f"it assigns {len(assigned)} graphs, the store has {graphs}"
    if (assigned[assigned != UNASSIGNED] >= len(sets)).any():
        return f"it assigns a graph to a set after the last of {len(sets)}"
    return None


def split_faults(store: GraphStore) -> list[str]:
    """Return one sentence for each recorded split that cannot be used."""
    faults = []
    for name in split_names(store):
        try:
            open_split(store, name)
        except StoreDamagedError as error:
            faults.append(str(error))
    return faults
