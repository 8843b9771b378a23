"""What decides how texts become graphs, and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError
from pepland_data.graph.columns import GraphColumns, concat
from pepland_data.graph.feature_tables import FeatureTables, merge_tables

INPUT_FORMATS = ("auto", "smiles", "sequence", "fasta", "helm")
FEATURIZER_VERSION = 1
"""Changes whenever the graph of any text changes; a store remembers it."""
CUT_NAMES = ("adafrag", "amiibo")


@dataclass(frozen=True)
class FeaturizeOptions:
    """What decides which graph a text becomes, and whether it becomes one."""

    cut: str = "adafrag"
    """``adafrag`` or ``amiibo``."""
    input_format: str = "smiles"
    """``auto``, ``smiles``, ``sequence``, ``fasta`` or ``helm``."""
    max_atoms: int = 5000
    """Larger molecules are rejected."""
    standardize: bool = False
    """Keep the largest piece without salts and charges; see `notation.standardize`."""
    dedup: bool = False
    """A build rejects molecules that an earlier row became; see `builder.duplicates`."""
    time_limit: float = 30.0
    """Seconds of processor time for one molecule; a build enforces it, `Featurizer` does not."""

    def __post_init__(self) -> None:
        if self.input_format not in INPUT_FORMATS:
            raise InputError(
                f"unknown input format {self.input_format!r}; expected one of "
                f"{', '.join(INPUT_FORMATS)}"
            )
        if self.cut not in CUT_NAMES:
            raise InputError(f"unknown cut {self.cut!r}; expected one of {', '.join(CUT_NAMES)}")
        if not 0 < self.time_limit < float("inf"):
            raise InputError(f"time limit {self.time_limit} must be a number of seconds above 0")

    def record(self) -> dict[str, Any]:
        """Return the options as a manifest holds them."""
        return asdict(self)

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> FeaturizeOptions:
        """Return the options a manifest holds; what it does not name has its default."""
        return cls(**{f.name: record[f.name] for f in fields(cls) if f.name in record})


@dataclass(frozen=True)
class Reject:
    """A text that did not become a graph."""

    position: int
    text: str
    stage: str
    """``read``, ``parse``, ``limits``, ``cut``, ``features``, ``timeout``, ``crash`` or
    ``duplicate``."""
    reason: str


@dataclass(frozen=True)
class Note:
    """Something a text's owner should know although it became a graph."""

    position: int
    kind: str
    """``changed`` by standardization or ``warning`` of RDKit."""
    before: str
    """The text as it was given."""
    note: str


@dataclass(frozen=True, eq=False)
class Converted:
    """The graphs of some texts, and the texts that have none."""

    columns: GraphColumns
    tables: FeatureTables
    kept: npt.NDArray[np.int64]
    """[K] int64, position of each graph's text."""
    rejects: list[Reject]
    notes: list[Note] = field(default_factory=list)
    """What changed and what RDKit said, in order of position."""
    renamed: dict[int, str] = field(default_factory=dict)
    """Position -> the text of the molecule that was made into a graph, where it changed."""

    identity: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 16), np.uint8))
    """[K, 16] uint8, equal where two graphs are of one molecule; [0, 16] without ``dedup``."""

    @property
    def warnings(self) -> list[tuple[int, str]]:
        """Position of a text and what RDKit said about it while it was read."""
        return [(n.position, n.note) for n in self.notes if n.kind == "warning"]


def join(parts: Sequence[tuple[int, Converted]]) -> Converted:
    """Return what consecutive runs of texts became, as if they had been converted at once.

    Args:
        parts: position of the first text of each run, in order, and what the run became.
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
    )


def _moved(one: Any, by: int) -> Any:
    return replace(one, position=one.position + by)
