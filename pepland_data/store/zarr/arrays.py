"""Ranges of the arrays of a Zarr store, read from objects whose checksums were compared.

Zarr reads a missing object as zeros and fetches each chunk with a separate request. Objects have a
few megabytes. They are therefore fetched as a whole, compared with their checksums, and given to
Zarr from memory. The last ones are kept.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.files.json_forms import Form, checked
from pepland_data.store.manifest import FileEntry, Manifest
from pepland_data.store.store_files import check_file, damaged
from pepland_data.store.zarr.layout import ROOT, SHARD, import_zarr
from pepland_data.store.zarr.metadata_form import COLUMN, check_array

KEPT_BYTES = 2**26
"""Bytes of compressed objects that are kept in memory."""
Fetch = Callable[[Sequence[str]], Mapping[str, bytes]]
"""Returns the bytes of named files of a store."""


class ZarrArrays:
    """The arrays of a store by name, opened at first use.

    Args:
        path: folder of the store, with all files except the objects of the large arrays.
        manifest: of the store.
        fetch: reads the objects of a remote store; None reads them from `path`.
    """

    def __init__(self, path: Path, manifest: Manifest, fetch: Fetch | None = None) -> None:
        zarr = import_zarr()
        self._open_array = zarr.open_array
        self._buffer = zarr.core.buffer.cpu.Buffer.from_bytes
        self.path = path
        self._small = {entry.file: entry for entry in manifest.files}
        self._large = {entry.file: entry for entry in manifest.shards}
        self._counts = Counter(file.rpartition("/c/")[0] for file in [*self._small, *self._large])
        self._fetch = fetch or self._read_files
        self._objects: dict[str, Any] = {}
        self._memory = zarr.storage.MemoryStore(self._objects)
        self._kept: OrderedDict[str, int] = OrderedDict()
        self._arrays: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return f"{ROOT}/{name}/zarr.json" in self._small

    def read(
        self, name: str, dtype: npt.DTypeLike, first: int = 0, last: int | None = None
    ) -> npt.NDArray[Any]:
        """Return items ``first`` to ``last`` of an array.

        Raises:
            StoreDamagedError: the array is of another type or too short, or an object is missing,
                damaged, or cannot be decoded.
        """
        array = self._array(name)
        last = int(array.shape[0]) if last is None else last
        if array.dtype != np.dtype(dtype) or not 0 <= first <= last <= array.shape[0]:
            why = f"{array.dtype} {list(array.shape)}, expected {np.dtype(dtype)} up to {last}"
            raise damaged(self.path / ROOT / name, why)
        self.load([(name, first, last)])
        try:
            return np.asarray(array[first:last])
        except Exception as error:  # each codec raises errors of its own
            raise damaged(self.path / ROOT / name, error) from error

    def load(self, ranges: Iterable[tuple[str, int, int]]) -> None:
        """Fetch the objects of several ranges ``(array, first, last)`` together."""
        wanted = [file for name, first, last in ranges for file in self._files(name, first, last)]
        missing = [file for file in wanted if file not in self._kept]
        for file in missing:
            self._entry(file)
        for large, fetch in ((True, self._fetch), (False, self._read_files)):
            files = [file for file in missing if (file in self._large) == large]
            for file, data in fetch(files).items() if files else ():
                self._keep(file, data)
        for file in wanted:
            self._kept.move_to_end(file)
        while sum(self._kept.values()) > KEPT_BYTES and len(self._kept) > len(wanted):
            file, _ = self._kept.popitem(last=False)
            del self._objects[file.removeprefix(f"{ROOT}/")]

    def attributes(self, group: str) -> Mapping[str, Any]:
        """Return the attributes of the group of a pass-through column."""
        found: Mapping[str, Any] = self._about(group, COLUMN)["attributes"]
        return found

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            about = self._about(name, lambda body: check_array(body, self._objects_of(name)))
            try:
                self._objects[f"{name}/zarr.json"] = self._buffer(json.dumps(about).encode())
                self._arrays[name] = self._open_array(store=self._memory, path=name, mode="r")
            except Exception as error:  # damaged metadata can raise anything
                raise damaged(self.path / ROOT / name, error) from error
        return self._arrays[name]

    def _objects_of(self, name: str) -> int:
        """Return the number of objects that the manifest lists for an array."""
        return self._counts[f"{ROOT}/{name}"]

    def _about(self, name: str, form: Form) -> Any:
        """Return the metadata of an array or group, which must have a form."""
        file = f"{ROOT}/{name}/zarr.json"
        try:
            return checked(self._read_files([file])[file], form)
        except ValueError as error:
            raise damaged(self.path / file, error) from error

    def _entry(self, file: str) -> FileEntry:
        entry = self._large.get(file) or self._small.get(file)
        if entry is None:
            raise damaged(self.path / file, "the manifest does not list it")
        return entry

    def _files(self, name: str, first: int, last: int) -> list[str]:
        """Return the objects that contain items ``first`` to ``last`` of an array."""
        array = self._array(name)
        step, tail = (SHARD, "") if array.ndim == 1 else (array.chunks[0], "/0" * (array.ndim - 1))
        numbers = range(first // step, -(-last // step)) if last > first else ()
        return [f"{ROOT}/{name}/c/{number}{tail}" for number in numbers]

    def _read_files(self, files: Sequence[str]) -> Mapping[str, bytes]:
        data = {}
        for file in files:
            check_file(self.path, self._entry(file))
            try:
                data[file] = (self.path / file).read_bytes()
            except OSError as error:
                raise damaged(self.path / file, error) from error
        return data

    def _keep(self, file: str, data: bytes) -> None:
        entry = self._entry(file)
        if len(data) != entry.bytes:
            raise damaged(self.path / file, f"{len(data)} bytes, expected {entry.bytes}")
        if sha256(data).hexdigest() != entry.sha256:
            raise damaged(self.path / file, "its checksum does not match")
        self._objects[file.removeprefix(f"{ROOT}/")] = self._buffer(data)
        self._kept[file] = len(data)
