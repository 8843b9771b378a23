"""The arrays of a Zarr store, and how one array becomes objects: metadata and shards.

One group holds the arrays of all graphs, concatenated. An object is one shard of the sharding
codec: `SHARD` items in chunks of `CHUNK`, each chunk compressed for itself, with an index at the
end. A store therefore has few objects, and a reader fetches all chunks of a range together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.errors import MissingDependencyError

ROOT = "graphs.zarr"
"""Folder of the group inside a store."""
CHUNK = 2**17
"""Items per chunk: the atoms of about a thousand graphs."""
SHARD = 2**23
"""Items per object."""
TABLE_CHUNK = 2**12
"""Rows per chunk of the tables."""
LEVEL = 9
"""Level of zstd. Level 3 gives 25 % more bytes; level 19 gives 20 % fewer in 25 times the time."""


def import_zarr() -> Any:
    """Return the zarr package.

    Raises:
        MissingDependencyError: zarr is not installed, or older than version 3.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError(
            "zarr is not installed; install it with `pip install 'pepland-data[zarr]'`"
        ) from error
    if int(zarr.__version__.split(".")[0]) < 3:
        raise MissingDependencyError(
            f"zarr {zarr.__version__} cannot write format 3; "
            "install a newer one with `pip install 'zarr>=3.0.8'`"
        )
    return zarr


@dataclass(frozen=True)
class ArraySpec:
    """One array of the group."""

    name: str
    """Path below the group."""
    shape: tuple[int, ...]
    dtype: str
    dims: tuple[str, ...]
    """Names of the dimensions; objects divide the first one."""

    @property
    def rows_per_object(self) -> int:
        """Items of the first dimension per object."""
        return SHARD if len(self.shape) == 1 else TABLE_CHUNK

    @property
    def objects(self) -> int:
        """Number of objects."""
        return -(-self.shape[0] // self.rows_per_object)

    def object_name(self, number: int) -> str:
        """Return the path of an object in the store."""
        return "/".join([ROOT, self.name, "c", str(number), *["0"] * (len(self.shape) - 1)])

    @property
    def metadata_name(self) -> str:
        """Path of the array's metadata in the store."""
        return f"{ROOT}/{self.name}/zarr.json"

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the first item of an object, and the one after the last."""
        first = number * self.rows_per_object
        return first, min(first + self.rows_per_object, self.shape[0])


@dataclass(frozen=True)
class GroupSpec:
    """A group and its attributes."""

    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metadata_name(self) -> str:
        """Path of the group's metadata in the store."""
        return f"{ROOT}/{self.name}/zarr.json" if self.name else f"{ROOT}/zarr.json"

    def metadata(self) -> bytes:
        """Return the bytes of the group's ``zarr.json``."""
        body = {"zarr_format": 3, "node_type": "group", "attributes": dict(self.attributes)}
        return json.dumps(body, indent=2).encode()


class ArrayEncoder:
    """Encodes the objects of one array with the zarr package, in memory."""

    def __init__(self, spec: ArraySpec) -> None:
        zarr = import_zarr()
        self.spec = spec
        self._objects: dict[str, Any] = {}
        flat = len(spec.shape) == 1
        self._array = zarr.create_array(
            store=zarr.storage.MemoryStore(self._objects),
            name=spec.name,
            shape=spec.shape,
            dtype=spec.dtype,
            chunks=(CHUNK,) if flat else (TABLE_CHUNK, *spec.shape[1:]),
            shards=(SHARD,) if flat else None,
            filters=None,
            compressors=[zarr.codecs.ZstdCodec(level=LEVEL, checksum=True)],
            fill_value=0,
            dimension_names=list(spec.dims),
            config={"write_empty_chunks": True},
        )

    def metadata(self) -> bytes:
        """Return the bytes of the array's ``zarr.json``."""
        return bytes(self._objects[f"{self.spec.name}/zarr.json"].to_bytes())

    def encode(self, number: int, values: npt.NDArray[Any]) -> bytes:
        """Return the bytes of one object.

        Args:
            number: of the object.
            values: its items, within `ArraySpec.bounds`.
        """
        first, last = self.spec.bounds(number)
        assert len(values) == last - first, (self.spec, number, len(values))
        self._array[first:last] = np.ascontiguousarray(values, self.spec.dtype)
        key = self.spec.object_name(number).removeprefix(f"{ROOT}/")
        return bytes(self._objects.pop(key).to_bytes())
