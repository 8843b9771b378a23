"""The options of the featurizer, and its results: graphs, rejects and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.errors import InputError
from pepland_data.graph.columns import GraphColumns, concat
from pepland_data.graph.feature_tables import FeatureTables, merge_tables

INPUT_FORMATS = (
    "auto", "smiles", "sequence", "fasta", "helm", "three-letter", "biln", "proforma",
)  # fmt: skip
LOWERCASE = ("refuse", "d-amino")
"""What small letters of one-letter codes are: mistakes, or D residues."""
FEATURIZER_VERSION = 1
"""Increased whenever graphs change so that old and new ones must not stand in one store; stores
record it. Texts that were read as another molecule, or whose atoms were numbered in another way,
stand in the changelog."""
CUT_NAMES = ("adafrag", "amiibo")
ADDED_NAMES = ("helm", "descriptors")
"""Columns that a build can add, see `chem.added_columns`."""


@dataclass(frozen=True)
class FeaturizeOptions:
    """The options that decide which graph a text becomes, or that it becomes a reject.

    `rdkit_only` and `check_share` decide only how it is made.
    """

    cut: str = "adafrag"
    """``adafrag`` or ``amiibo``."""
    input_format: str = "smiles"
    """One of `INPUT_FORMATS`."""
    max_atoms: int = 5000
    """Molecules with more heavy atoms are rejected."""
    standardize: bool = False
    """Remove salts and charges; see `pepland_data.chem.notation.standardize`."""
    dedup: bool = False
    """A build rejects a molecule that an earlier row has; see `pepland_data.builder.duplicates`."""
    time_limit: float = 30.0
    """Processor seconds for one step: to read a molecule, or to work out one of its fragments.
    A build enforces the limit, `Featurizer` does not."""
    monomers: GivenMonomers | None = None
    """Monomers of HELM beside the bundled ones; see `monomers.given_files.given_monomers`."""
    add: tuple[str, ...] = ()
    """Columns that a build adds, of `ADDED_NAMES`: ``helm``, the residues of each molecule, and
    ``descriptors``, 59 columns of RDKit."""
    rdkit_only: bool = False
    """Read every SMILES with RDKit, which is slower and gives the same graphs."""
    check_share: float = 0.001
    """Share of the SMILES read without RDKit whose graph is compared with RDKit's, 0 to 1."""
    lowercase: str = "refuse"
    """One of `LOWERCASE`; for ``three-letter`` texts only."""

    def __post_init__(self) -> None:
        if self.input_format not in INPUT_FORMATS:
            raise InputError(
                f"unknown input format {self.input_format!r}; expected one of "
                f"{', '.join(INPUT_FORMATS)}"
            )
        if self.lowercase not in LOWERCASE:
            raise InputError(
                f"unknown meaning of small letters {self.lowercase!r}; expected one of "
                f"{', '.join(LOWERCASE)}"
            )
        if self.cut not in CUT_NAMES:
            raise InputError(f"unknown cut {self.cut!r}; expected one of {', '.join(CUT_NAMES)}")
        if unknown := [name for name in self.add if name not in ADDED_NAMES]:
            raise InputError(
                f"unknown column to add: {unknown[0]!r}; expected one of {', '.join(ADDED_NAMES)}"
            )
        if not 0 < self.time_limit < float("inf"):
            raise InputError(f"time limit is {self.time_limit}; expected seconds above 0")
        if not 0 <= self.check_share <= 1:
            raise InputError(f"check share is {self.check_share}; expected 0 to 1")

    def record(self) -> dict[str, Any]:
        """Return the options as recorded in a manifest.

        Monomers, `add` and the meaning of small letters are recorded only if they are given.
        """
        record = {name: getattr(self, name) for name in _PLAIN}
        if self.lowercase == LOWERCASE[0]:
            del record["lowercase"]
        record |= {"add": sorted(set(self.add))} if self.add else {}
        return record if self.monomers is None else record | {"monomers": self.monomers.record()}

    @classmethod
    def of_record(
        cls, record: dict[str, Any], monomers: GivenMonomers | None = None
    ) -> FeaturizeOptions:
        """Return the options recorded in a manifest; missing ones have their defaults.

        Args:
            record: options by name.
            monomers: the recorded monomers, of which a record has only name and checksum.
        """
        given = {name: record[name] for name in _PLAIN if name in record}
        return cls(**given, add=tuple(record.get("add", ())), monomers=monomers)


_NOT_RECORDED = ("monomers", "add", "rdkit_only", "check_share")
_PLAIN = tuple(f.name for f in fields(FeaturizeOptions) if f.name not in _NOT_RECORDED)
"""Options that a manifest records as they are."""


@dataclass(frozen=True)
class Reject:
    """A text that did not become a graph."""

    position: int
    """Number of the text in the call, from 0."""
    text: str
    stage: str
    """``read``, ``parse``, ``limits``, ``cut``, ``features``, ``timeout``, ``crash`` or
    ``duplicate``."""
    reason: str


@dataclass(frozen=True)
class Note:
    """A change or warning for a text that became a graph."""

    position: int
    """Number of the text in the call, from 0."""
    kind: str
    """``changed`` (by standardization) or ``warning`` (of RDKit)."""
    before: str
    """The text as given."""
    note: str


@dataclass(frozen=True, eq=False)
class Converted:
    """The graphs of some texts, and the rejects."""

    columns: GraphColumns
    tables: FeatureTables
    kept: npt.NDArray[np.int64]
    """[K] int64, position of the text of each graph."""
    rejects: list[Reject]
    notes: list[Note] = field(default_factory=list)
    """Changes and RDKit's warnings, in order of position."""
    renamed: dict[int, str] = field(default_factory=dict)
    """Position -> the text after standardization, for texts that it changed."""
    identity: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 16), np.uint8))
    """[K, 16] uint8, equal for graphs of the same molecule; [0, 16] without ``dedup``."""
    added: dict[str, dict[int, Any]] = field(default_factory=dict)
    """Column to add -> position -> value, where the molecule has one."""

    @property
    def warnings(self) -> list[tuple[int, str]]:
        """RDKit's warnings, with the position of the text of each."""
        return [(n.position, n.note) for n in self.notes if n.kind == "warning"]


def join(parts: Sequence[tuple[int, Converted]]) -> Converted:
    """Return the results of consecutive runs of texts as one result.

    Args:
        parts: position of the first text of each run, and the result of the run; in order.
    """
    if len(parts) == 1 and parts[0][0] == 0:
        return parts[0][1]
    tables, recodes = merge_tables([part.tables for _, part in parts])
    columns = [p.columns.recode(recode) for (_, p), recode in zip(parts, recodes, strict=True)]
    return Converted(
        concat(columns),
        tables,
        np.concatenate([part.kept + first for first, part in parts]),
        [_moved(reject, first) for first, part in parts for reject in part.rejects],
        [_moved(note, first) for first, part in parts for note in part.notes],
        {first + i: text for first, part in parts for i, text in part.renamed.items()},
        np.concatenate([part.identity for _, part in parts]),
        _moved_values(parts),
    )


def _moved_values(parts: Sequence[tuple[int, Converted]]) -> dict[str, dict[int, Any]]:
    found: dict[str, dict[int, Any]] = {}
    for first, part in parts:
        for name, values in part.added.items():
            found.setdefault(name, {}).update((first + i, value) for i, value in values.items())
    return found


def _moved(one: Any, by: int) -> Any:
    return replace(one, position=one.position + by)
