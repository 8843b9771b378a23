"""The loaders that `bench_loader` compares, each with its own files, all in random order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.loaders import coded as coded
from benchmarks.loaders import graphs as graphs
from pepland_data import GraphStore
from pepland_data.batch.dgl_import import import_dgl


@dataclass(frozen=True)
class Rival:
    """One way to get batches of graphs."""

    title: str
    """As in the chart."""
    content: str
    """``coded`` or ``dense``."""
    most: int | None
    """Graphs it is measured on at most, None for all."""
    needs: tuple[str, ...]
    """Packages."""
    prepare: Callable[[GraphStore, Path, int], None]
    """Write its own files once: store, folder, graphs."""
    open: Callable[[GraphStore, Path, int, int], coded.Epochs]
    """Open them: store, folder, graphs, batch size."""
    device: str = "cpu"
    """Where batches end up."""

    def load_packages(self) -> None:
        """Import what it needs, so that no measurement counts that."""
        for name in self.needs:
            import_dgl() if name == "dgl" else import_module(name)

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured here, None where it can."""
        absent = [name for name in self.needs if find_spec(name) is None]
        if absent:
            return f"{', '.join(absent)} is not installed"
        no_gpu = self.device == "cuda" and not torch.cuda.is_available()
        return "there is no CUDA device" if no_gpu else None


def _ours(tier: str, device: str = "cpu") -> Rival:
    opened = partial(coded.open_ours, tier, device)
    where = " on the GPU" if device != "cpu" else " (run on a CPU)" if tier == "device" else ""
    title = f"pepland-data, {tier}{where}"
    return Rival(title, "coded", None, (), coded.nothing, opened, device)


RIVALS = {
    "gathers": Rival("array gathers", "coded", None, (), coded.nothing, coded.open_gathers),
    "mmap": _ours("mmap"),
    "host": _ours("host"),
    "device": _ours("device"),
    "cuda_mmap": _ours("mmap", "cuda"),
    "cuda_device": _ours("device", "cuda"),
    "litdata": Rival(
        "LitData", "coded", None, ("litdata",), coded.prepare_litdata, coded.open_litdata
    ),
    "lmdb": Rival("LMDB", "coded", None, ("lmdb",), coded.prepare_lmdb, coded.open_lmdb),
    "pyg": Rival(
        "PyG in memory", "coded", None, ("torch_geometric",),
        graphs.prepare_pyg_memory, graphs.open_pyg_memory,
    ),
    "pyg_disk": Rival(
        "PyG on disk", "coded", 20_000, ("torch_geometric",),
        graphs.prepare_pyg_disk, graphs.open_pyg_disk,
    ),
    "dgl": Rival(
        "DGL GraphDataLoader", "dense", 2048, ("dgl",), graphs.prepare_dgl, graphs.open_dgl
    ),
    "pickle": Rival(
        "pickled DGL graphs", "dense", 2048, ("dgl",), graphs.prepare_pickles, graphs.open_pickles
    ),
}  # fmt: skip
"""Name -> loader; `array gathers` is the ceiling: narrow codes, indices not yet of the batch."""
