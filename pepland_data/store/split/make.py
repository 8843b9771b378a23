"""Assign the graphs of a store to sets such as train, valid and test."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.chem.monomers.given import GivenMonomers, check_same
from pepland_data.errors import InputError, MissingDependencyError
from pepland_data.hashing import salted, text_hashes
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.random_sets import random_sets
from pepland_data.store.split.recorded import UNASSIGNED as UNASSIGNED
from pepland_data.store.split.recorded import Split

METHODS = ("random", "similarity", "scaffold", "group", "column", "file")
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
    monomers: GivenMonomers | None = None,
) -> Split:
    """Return a split of a store; `recorded.write_split` writes it to disk.

    Args:
        store: an opened store.
        method: one of `METHODS`. ``random`` uses the hash of each text, so equal texts are in one
            set and a peptide keeps its set when the store grows. ``similarity``, ``scaffold`` and
            ``group`` (equal values of a column) keep each group in one set. ``column`` and
            ``file`` name the set of each graph.
        fractions: set -> share of the graphs; default 0.9 train, 0.05 valid, 0.05 test.
        seed: for the first four methods.
        name: letters, digits, ``_`` and ``-``.
        column: for ``group`` and ``column``.
        file: for ``file``: CSV with the columns ``row_id`` or ``smiles``, and ``set``.
        threshold: for ``similarity``: identity from 0.9 to 1 at which peptides are in one group.
            None groups peptides that differ by one residue.
        monomers: for ``scaffold``: the monomers of HELM that the store was built with, if any.

    Raises:
        InputError: an argument is wrong, or does not fit the method or the store.
        MissingDependencyError: the method needs packages of the extra ``build``.
    """
    if method not in METHODS:
        raise InputError(f"unknown split method {method!r}; expected one of {', '.join(METHODS)}")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InputError(f"split name {name!r}; expected letters, digits, _ and - only")
    if method in ("group", "column") and column not in store.columns:
        raise InputError(
            f"the store has no column {column!r}; "
            f"its columns are: {', '.join(store.columns) or 'none'}"
        )
    if threshold is not None and method != "similarity":
        raise InputError(f"method {method!r} takes no threshold; only 'similarity' does")
    file_name = Path(file).name if file else None
    recipe: dict[str, Any] = {"seed": seed, "column": column, "file": file_name}
    if threshold is not None:
        recipe["threshold"] = threshold
    if method == "column":
        return _named_sets(name, method, [str(v) for v in store.columns[str(column)]], recipe)
    if method == "file":
        if file is None:
            raise InputError("split method 'file' needs a file; name it with --file")
        return _named_sets(name, method, _read_sets(Path(file), store), recipe)
    shares = dict(fractions or {"train": 0.9, "valid": 0.05, "test": 0.05})
    if not all(s >= 0 for s in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"fractions {shares}; expected numbers from 0 that add up to 1")
    if method == "random":
        assigned = random_sets(store, shares, seed)
    else:
        order = salted(text_hashes(store.smiles), seed)
        groups = _groups(store, method, column, threshold, monomers)
        assigned = _whole_groups(groups, order, list(shares.values()))
    return Split(name, method, tuple(shares), assigned, {**recipe, "fractions": shares})


def _groups(
    store: GraphStore,
    method: str,
    column: str | None,
    threshold: float | None,
    monomers: GivenMonomers | None,
) -> npt.NDArray[np.int64]:
    """Return the group of each graph. [G] int64."""
    if method == "group":
        return np.unique(store.columns[str(column)].astype(str), return_inverse=True)[1]
    try:
        if method == "scaffold":
            return np.unique(scaffolds(store, monomers), return_inverse=True)[1]
        if threshold is not None:
            from pepland_data.store.split.identity_groups import identity_groups

            return identity_groups(store, threshold)
        from pepland_data.store.split.similar_groups import similar_groups

        return similar_groups(store)
    except ImportError as error:
        raise MissingDependencyError(
            f"split method {method!r} needs RDKit and scipy ({error}); "
            "install them with `pip install 'pepland-data[build]'`"
        ) from error


def scaffolds(store: GraphStore, monomers: GivenMonomers | None = None) -> list[str]:
    """Return the Murcko scaffold of each graph's molecule, '' for a molecule without rings.

    Args:
        store: an opened store.
        monomers: the monomers of HELM that it was built with, if any.

    Raises:
        InputError: it was built with other monomers.
    """
    from rdkit import Chem
    from rdkit.Chem.Scaffolds import MurckoScaffold

    from pepland_data.chem.conversion import FeaturizeOptions
    from pepland_data.chem.notation.parse import parse
    from pepland_data.chem.rdkit_messages import RdkitMessages

    check_same(store.location, store.manifest.options.get("monomers"), monomers)
    options = FeaturizeOptions.of_record(dict(store.manifest.options), monomers)
    form, small = options.input_format, options.lowercase
    with RdkitMessages() as log:
        return [
            Chem.MolToSmiles(
                MurckoScaffold.GetScaffoldForMol(  # type: ignore[no-untyped-call]
                    parse(text, form, options.max_atoms, log, monomers, small)
                ),
                isomericSmiles=False,
            )
            for text in store.smiles
        ]


def _whole_groups(
    groups: npt.NDArray[np.int64], order: npt.NDArray[np.uint64], shares: Sequence[float]
) -> npt.NDArray[np.uint8]:
    """Assign each group, the largest first, to the set farthest below its share. [G] uint8."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    rank = np.full(len(sizes), np.iinfo(np.uint64).max)
    np.minimum.at(rank, group, order)
    lacking, set_of = np.array(shares) * len(groups), np.zeros(len(sizes), np.uint8)
    for g in np.lexsort((rank, -sizes)):
        set_of[g] = np.argmax(lacking)
        lacking[set_of[g]] -= sizes[g]
    return set_of[group]


def _named_sets(name: str, method: str, values: Sequence[str], recipe: dict[str, Any]) -> Split:
    values = [ALIASES.get(v, v) for v in values]
    sets = sorted({v for v in values if v and v not in ("None", "nan")})
    if not 0 < len(sets) < UNASSIGNED:
        raise InputError(
            f"method {method!r} found {len(sets)} set names; expected 1 to {UNASSIGNED - 1}, "
            "such as train and test"
        )
    code = {s: i for i, s in enumerate(sets)}
    assigned = np.array([code.get(v, UNASSIGNED) for v in values], np.uint8)
    return Split(name, method, tuple(sets), assigned, recipe)


def _read_sets(path: Path, store: GraphStore) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"the split file {path} cannot be read: {error}; name a CSV file with a header"
        ) from error
    names = list(lines[0]) if lines else []
    key = next((k for k in ("row_id", "smiles") if k in names), None)
    if key is None or "set" not in names:
        raise InputError(
            f"{path}: expected the columns row_id or smiles, and set; found {names or 'no rows'}"
        )
    found = {line[key]: line["set"] or "" for line in lines}
    keys = map(str, store.row_id.tolist()) if key == "row_id" else iter(store.smiles)
    return [found.get(k, "") for k in keys]
