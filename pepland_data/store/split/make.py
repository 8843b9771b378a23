"""Assign the graphs of a store to sets; the graphs of a group stay together."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.hashing import salted, text_hashes
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.random_sets import random_sets
from pepland_data.store.split.recorded import Split

METHODS = ("random", "similarity", "scaffold", "group", "column", "file")
UNASSIGNED = 255
ALIASES = {"training": "train", "val": "valid", "validation": "valid", "dev": "valid"}


def make_split(
    store: GraphStore,
    method: str = "random",
    fractions: Mapping[str, float] | None = None,
    seed: int = 0,
    name: str = "default",
    column: str | None = None,
    file: str | Path | None = None,
    threshold: float | None = None,
) -> Split:
    """Return a split of a store; `recorded.write_split` records it.

    Args:
        store: an opened store.
        method: one of `METHODS`. ``random`` follows from each text's hash, so equal texts stay
            together and a peptide keeps its set when the store grows; ``similarity``,
            ``scaffold`` and ``group`` (equal values of a column) keep groups together;
            ``column`` and ``file`` name the set of each graph.
        fractions: set -> share; default 0.9 train, 0.05 valid, 0.05 test.
        seed: of the first four methods.
        name: letters, digits, ``_`` and ``-``.
        column: for ``group`` and ``column``.
        file: CSV with ``row_id`` or ``smiles``, and ``set``.
        threshold: of ``similarity``: peptides of this identity stay together, from 0.9; None
            keeps those together that are one residue apart.

    Raises:
        InputError: an unknown method, name, column or file, or shares that do not add up to 1.
    """
    if method not in METHODS or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InputError(f"method {method!r}, name {name!r}: expected one of {', '.join(METHODS)}")
    if method in ("group", "column") and column not in store.columns:
        raise InputError(
            f"no column {column!r}; the store has {', '.join(store.columns) or 'none'}"
        )
    if threshold is not None and method != "similarity":
        raise InputError("a threshold goes with --by similarity")
    recipe: dict[str, Any] = {
        "seed": seed,
        "column": column,
        "file": Path(file).name if file else None,
    }
    recipe |= {} if threshold is None else {"threshold": threshold}
    if method == "column":
        return _named(name, method, [str(v) for v in store.columns[str(column)]], recipe)
    if method == "file":
        if file is None:
            raise InputError("method 'file' needs a file; name it with --file")
        return _named(name, method, _sets_from(Path(file), store), recipe)
    shares = dict(fractions or {"train": 0.9, "valid": 0.05, "test": 0.05})
    if any(s < 0 for s in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"shares {shares} do not add up to 1")
    if method == "random":
        assigned = random_sets(store, shares, seed)
    else:
        order = salted(text_hashes(store.smiles), seed)
        groups = _groups(store, method, column, threshold)
        assigned = _whole_groups(groups, order, list(shares.values()))
    return Split(name, method, tuple(shares), assigned, {**recipe, "fractions": shares})


def _groups(
    store: GraphStore, method: str, column: str | None, threshold: float | None
) -> npt.NDArray[np.int64]:
    if threshold is not None:
        from pepland_data.store.split.identity_groups import identity_groups

        return identity_groups(store, threshold)
    if method == "similarity":
        from pepland_data.store.split.similarity import similar_groups

        return similar_groups(store)
    values = scaffolds(store) if method == "scaffold" else store.columns[str(column)].astype(str)
    return np.unique(np.asarray(values), return_inverse=True)[1]


def scaffolds(store: GraphStore) -> list[str]:
    """Return the Murcko scaffold of each graph's molecule, '' for one without rings."""
    from rdkit import Chem
    from rdkit.Chem.Scaffolds import MurckoScaffold

    from pepland_data.chem.notation.parse import parse
    from pepland_data.chem.notation.rdkit_messages import RdkitMessages

    options = store.manifest.options
    with RdkitMessages() as log:
        return [
            Chem.MolToSmiles(
                MurckoScaffold.GetScaffoldForMol(  # type: ignore[no-untyped-call]
                    parse(text, options["input_format"], options["max_atoms"], log)
                ),
                isomericSmiles=False,
            )
            for text in store.smiles
        ]


def _whole_groups(
    groups: npt.NDArray[np.int64], order: npt.NDArray[np.uint64], shares: Sequence[float]
) -> npt.NDArray[np.uint8]:
    """Assign each group, the largest first, to the set that is farthest below its share."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    rank = np.full(len(sizes), np.iinfo(np.uint64).max)
    np.minimum.at(rank, group, order)
    lacking, place = np.array(shares) * len(groups), np.zeros(len(sizes), np.int64)
    for g in np.lexsort((rank, -sizes)):
        place[g] = np.argmax(lacking)
        lacking[place[g]] -= sizes[g]
    return place[group].astype(np.uint8)


def _named(name: str, method: str, values: Sequence[str], recipe: dict[str, Any]) -> Split:
    values = [ALIASES.get(v, v) for v in values]
    sets = sorted({v for v in values if v and v not in ("None", "nan")})
    if not 0 < len(sets) < UNASSIGNED:
        raise InputError(f"{len(sets)} sets; expected 1 to {UNASSIGNED - 1} names like train")
    code = {s: i for i, s in enumerate(sets)}
    assigned = np.array([code.get(v, UNASSIGNED) for v in values], np.uint8)
    return Split(name, method, tuple(sets), assigned, recipe)


def _sets_from(path: Path, store: GraphStore) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read split file {path}: {error}") from error
    names = set(lines[0]) if lines else set()
    key = next((k for k in ("row_id", "smiles") if k in names), None)
    if key is None or "set" not in names:
        raise InputError(f"{path}: expected the columns row_id or smiles, and set")
    found = {line[key]: line["set"] or "" for line in lines}
    keys = map(str, store.row_id.tolist()) if key == "row_id" else iter(store.smiles)
    return [found.get(k, "") for k in keys]
