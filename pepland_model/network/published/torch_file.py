"""Read the tensors of a file that ``torch.save`` wrote, without running code from the file.

Such a file is a zip archive of raw storages and one pickle, which describes how tensors are made
from the storages. A pickle can make its reader call any function. This reader only makes ordered
dicts and tensors; every other name becomes a `Stub`, which does nothing.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pepland_data.errors import InputError

STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "BFloat16Storage": "<u2",
}  # fmt: skip

OLD_FORM = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
"""Number near the start of every file of torch before 1.6."""


class Stub:
    """Replaces an object of any other class: keeps attributes and items, and runs nothing."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.items: dict[Any, Any] = {}
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__dict__.setdefault("items", {})[key] = value

    def append(self, value: Any) -> None:
        """Ignore an item, or the items, of a list-like or set-like object."""

    extend = add = append


class TensorReader(pickle.Unpickler):
    """An unpickler that knows only tensors and ordered dicts."""

    def __init__(self, file: io.BytesIO, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self.archive, self.folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        """Return the object of an allowed name, and a stub class for any other name."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *rest: data
        if module == "torch" and name in STORAGES:
            return name
        return type(name, (Stub,), {})

    def persistent_load(self, pid: Any) -> Any:
        """Return the storage with the id of the pickle, as a flat tensor."""
        kind, name, key = pid[:3]
        if kind != "storage" or name not in STORAGES or not isinstance(key, str):
            raise pickle.UnpicklingError(f"unknown reference {pid!r}")
        data = self.archive.read(f"{self.folder}/data/{key}")
        flat = torch.from_numpy(np.frombuffer(data, np.dtype(STORAGES[name])).copy())
        return flat.view(torch.bfloat16) if name == "BFloat16Storage" else flat


def rebuild_tensor(storage: Any, offset: int, size: Any, stride: Any, *rest: Any) -> Tensor:
    """Return a tensor in its storage; torch checks that it does not reach outside."""
    if not isinstance(storage, Tensor):
        raise pickle.UnpicklingError("a tensor without a storage")
    return torch.as_strided(storage, tuple(size), tuple(stride), int(offset)).clone()


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Return the named tensors of a state dict or a whole module written by ``torch.save``.

    Raises:
        InputError: the file is missing, of another kind, damaged, or without tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise InputError(f"{path} is a zip archive, but not from torch.save")
            data = io.BytesIO(archive.read(pickles[0]))
            tree = TensorReader(data, archive, pickles[0].removesuffix("/data.pkl")).load()
        tensors = dict(named_tensors(tree))
    except zipfile.BadZipFile as error:
        raise InputError(not_a_zip(path, error)) from error
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error}; name a file of weights that PepLand's code saved"
        ) from error
    except Exception as error:  # a damaged pickle can raise any exception
        raise InputError(f"{path} is damaged or not a checkpoint: {error}") from error
    if not tensors:
        raise InputError(f"{path} holds no named tensors; expected a state dict or a module")
    return tensors


def not_a_zip(path: str | Path, error: zipfile.BadZipFile) -> str:
    """Return an error message for a file that is not a complete zip archive."""
    with Path(path).open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PK"):
        return f"{path} is cut short or damaged: {error}"
    if OLD_FORM in start:
        return (
            f"{path} has the format of torch before 1.6; if you trust it, convert it: "
            "torch.save(torch.load(file, weights_only=False), file)"
        )
    return f"{path} is not a zip archive of torch.save: {error}"


def named_tensors(tree: Any, prefix: str = "") -> list[tuple[str, Tensor]]:
    """Return names and tensors of a state dict, or of a module's stub, as ``state_dict`` does."""
    tensors: list[tuple[str, Tensor]] = []
    if isinstance(tree, Stub) and isinstance(tree.state, dict):
        for group in ("_parameters", "_buffers", "_modules"):
            tensors += named_tensors(tree.state.get(group), prefix)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if isinstance(value, Tensor):
                tensors.append((f"{prefix}{key}", value))
            else:
                tensors += named_tensors(value, f"{prefix}{key}.")
    return tensors
