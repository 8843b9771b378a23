"""Options of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pepland_data.builder.workers.engines import Engine
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.errors import InputError
from pepland_data.inputs.part import Part
from pepland_data.store.manifest import KINDS


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build; `workers`, `engine`, `address` and `max_reject_frac` change no byte."""

    featurize: FeaturizeOptions = field(default_factory=FeaturizeOptions)
    """What decides which graph a text becomes."""
    smiles_column: str | None = None
    """Name of the text column; None finds it."""
    rows_per_shard: int = 1000
    """Input rows per shard."""
    workers: int = 1
    """Processes."""
    engine: str = "local"
    """``local``, ``dask`` or ``ray``."""
    address: str | None = None
    """Address of the Dask or Ray cluster."""
    format: str = "arrow"
    """``arrow`` (memory-mapped) or ``zarr`` (compressed)."""
    part: Part | None = None
    """Part of the input to build; `pepland_data.builder.merge.merge` joins the parts."""
    keep_index: bool = False
    """Keep the index column of a data frame, which pandas names ``Unnamed: 0`` or not at all."""
    max_reject_frac: float = 1.0
    """A build stops if most of the first rows are rejects, and a larger share than this."""

    def __post_init__(self) -> None:
        if self.format not in KINDS:
            raise InputError(f"unknown format {self.format!r}; expected {' or '.join(KINDS)}")
        if self.rows_per_shard < 1:
            raise InputError(f"rows per shard is {self.rows_per_shard}; expected 1 or more")
        if self.part and self.featurize.dedup:
            raise InputError(
                "duplicates in other parts cannot be seen; build the whole input with --dedup, or "
                "the parts without it"
            )
        _ = self.runner  # checks workers, engine and address

    @property
    def runner(self) -> Engine:
        """The engine that runs the tasks."""
        return Engine(self.workers, self.engine, self.address)


def options_of(
    record: Mapping[str, Any], monomers: GivenMonomers | None = None, **others: Any
) -> BuildOptions:
    """Return build options from the entries of a manifest; other options have their defaults.

    Args:
        record: options by their manifest names: ``cut``, ``rows_per_shard``...
        monomers: monomers of HELM beside the bundled ones; a manifest names only their files.
        others: options that are not in a manifest because they change no byte: fields of
            `BuildOptions`, ``rdkit_only`` and ``check_share``.
    """
    names = ("smiles_column", "rows_per_shard", "format", "keep_index")
    given = {name: record[name] for name in names if name in record}
    how = {name: others.pop(name) for name in ("rdkit_only", "check_share") if name in others}
    featurize = replace(FeaturizeOptions.of_record(dict(record), monomers), **how)
    return BuildOptions(featurize, **given, **others)
