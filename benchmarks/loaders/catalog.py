"""The loaders that `bench_loader` compares, each with its own files, all in random order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.loaders import coded, graphs
from pepland_data import GraphStore
from pepland_data.batch.dgl_import import import_dgl


@dataclass(frozen=True)
class ComparedLoader:
    """One way to get batches of graphs."""

    title: str
    """Name in the chart."""
    content: str
    """``coded`` or ``dense``."""
    most: int | None
    """Most graphs that it is measured on, None for all."""
    needs: tuple[str, ...]
    """Packages."""
    prepare: Callable[[GraphStore, Path, int], None]
    """Writes its own files once: store, folder, graphs."""
    open: Callable[[GraphStore, Path, int, int], coded.Epochs]
    """Opens these files: store, folder, graphs, batch size."""
    device: str = "cpu"
    """Device of the batches."""

    def count(self, graphs: int) -> int:
        """Return how many graphs of a store it is measured on."""
        return graphs if self.most is None else min(graphs, self.most)

    def load_packages(self) -> None:
        """Import its packages, so that no measurement includes the imports."""
        for name in self.needs:
            import_dgl() if name == "dgl" else import_module(name)

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured here, None if it can."""
        absent = [name for name in self.needs if find_spec(name) is None]
        if absent:
            return f"{', '.join(absent)} is not installed"
        no_gpu = self.device == "cuda" and not torch.cuda.is_available()
        return "there is no CUDA device" if no_gpu else None


def _ours(tier: str, device: str = "cpu") -> ComparedLoader:
    opened = partial(coded.open_ours, tier, device)
    where = " on the GPU" if device != "cpu" else " (run on a CPU)" if tier == "device" else ""
    title = f"pepland-data, {tier}{where}"
    return ComparedLoader(title, "coded", None, (), coded.nothing, opened, device)


LOADERS = {
    "gathers": ComparedLoader(
        "array gathers", "coded", None, (), coded.nothing, coded.open_gathers
    ),
    "mmap": _ours("mmap"),
    "host": _ours("host"),
    "device": _ours("device"),
    "cuda_mmap": _ours("mmap", "cuda"),
    "cuda_device": _ours("device", "cuda"),
    "litdata": ComparedLoader(
        "LitData", "coded", None, ("litdata",), coded.prepare_litdata, coded.open_litdata
    ),
    "lmdb": ComparedLoader(
        "LMDB", "coded", None, ("lmdb",), coded.prepare_lmdb, coded.open_lmdb
    ),
    "pyg": ComparedLoader(
        "PyG in memory", "coded", None, ("torch_geometric",),
        graphs.prepare_pyg_memory, graphs.open_pyg_memory,
    ),
    "pyg_disk": ComparedLoader(
        "PyG on disk", "coded", 20_000, ("torch_geometric",),
        graphs.prepare_pyg_disk, graphs.open_pyg_disk,
    ),
    "dgl": ComparedLoader(
        "DGL GraphDataLoader", "dense", 2048, ("dgl",), graphs.prepare_dgl, graphs.open_dgl
    ),
    "pickle": ComparedLoader(
        "pickled DGL graphs", "dense", 2048, ("dgl",), graphs.prepare_pickles, graphs.open_pickles
    ),
}  # fmt: skip
"""Name -> loader. `array gathers` is the upper limit: narrow codes, and indices stay local."""
