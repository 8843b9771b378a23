"""How a build runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pepland_data.builder.workers.engines import Engine
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.errors import InputError
from pepland_data.inputs.part import Part
from pepland_data.store.manifest import KINDS


@dataclass(frozen=True)
class BuildOptions:
    """How a build runs; `featurize`, the column and the rows per shard decide the bytes."""

    featurize: FeaturizeOptions = field(default_factory=FeaturizeOptions)
    """What decides which graph a text becomes."""
    smiles_column: str | None = None
    """Column of the text; None finds it."""
    rows_per_shard: int = 1000
    """Input rows per shard."""
    workers: int = 1
    """Processes; does not change a byte of the store."""
    engine: str = "local"
    """``local``, ``dask`` or ``ray``; does not change a byte of the store."""
    address: str | None = None
    """Of the cluster of another engine."""
    format: str = "arrow"
    """``arrow``, which is mapped, or ``zarr``, which is compressed."""
    part: Part | None = None
    """Build this part of the input only; `pepland_data.builder.merge.merge` joins the parts."""

    def __post_init__(self) -> None:
        if self.format not in KINDS:
            raise InputError(f"unknown format {self.format!r}; expected {' or '.join(KINDS)}")
        if self.rows_per_shard < 1:
            raise InputError("rows per shard must be 1 or more")
        if self.part and self.featurize.dedup:
            raise InputError(
                "duplicates in other parts cannot be seen from one; build the whole with --dedup, "
                "or the parts without"
            )
        _ = self.runner

    @property
    def runner(self) -> Engine:
        """Where the work is done."""
        return Engine(self.workers, self.engine, self.address)


def options_of(record: Mapping[str, Any], **others: Any) -> BuildOptions:
    """Return build options from their names in a manifest; what is not named has its default.

    Args:
        record: ``cut``, ``rows_per_shard`` and so on.
        others: fields of `BuildOptions` that no manifest holds.
    """
    names = ("smiles_column", "rows_per_shard", "format")
    given = {name: record[name] for name in names if name in record}
    return BuildOptions(FeaturizeOptions.of_record(dict(record)), **given, **others)
