"""Loaders of graph objects that `bench_loader` measures: those of DGL and PyG.

DGL graphs hold the float32 feature rows that the published code of PepLand pickles. PyG graphs hold
the codes and local indices of our store, each bond once, which is the smallest possible content.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.loaders.coded import Epochs, shuffled_batches
from pepland_data import GraphLoader, GraphStore
from pepland_data.batch.dgl_import import import_dgl


def prepare_pickles(store: GraphStore, folder: Path, count: int) -> None:
    """Pickle one DGL heterograph per file."""
    loader = GraphLoader(store, tier="mmap")
    for row in range(count):
        (folder / f"{row}.pkl").write_bytes(pickle.dumps(loader.batch([row]).to_dgl()))


def open_pickles(_store: GraphStore, folder: Path, count: int, batch_size: int) -> Epochs:
    """Read pickles and join them with ``dgl.batch``."""
    dgl = import_dgl()

    def epochs(epoch: int) -> Iterator[tuple[int, int]]:
        for graphs in shuffled_batches(count, batch_size, epoch):
            loaded = [pickle.loads((folder / f"{row}.pkl").read_bytes()) for row in graphs]
            yield len(graphs), dgl.batch(loaded).num_nodes("a")

    return epochs


def prepare_dgl(store: GraphStore, folder: Path, count: int) -> None:
    """Write the graphs to a file of DGL."""
    loader = GraphLoader(store, tier="mmap")
    graphs = [loader.batch([row]).to_dgl() for row in range(count)]
    import_dgl().save_graphs(str(folder / "graphs.bin"), graphs)


def open_dgl(_store: GraphStore, folder: Path, _count: int, batch_size: int) -> Epochs:
    """Load the file into memory for the ``GraphDataLoader`` of DGL."""
    graphs, _ = import_dgl().load_graphs(str(folder / "graphs.bin"))
    from dgl.dataloading import GraphDataLoader

    batches = GraphDataLoader(graphs, batch_size=batch_size, shuffle=True, drop_last=True)

    def epochs(_epoch: int) -> Iterator[tuple[int, int]]:
        for batch in batches:
            yield batch.batch_size, batch.num_nodes("a")

    return epochs


def pyg_graphs(store: GraphStore, count: int) -> Iterator[Any]:
    """Yield coded graphs as ``Data`` of PyG, each bond once.

    PyG joins one flat ``Data`` that shifts its own indices more than twice as fast as
    ``HeteroData`` with the same arrays, so the flat one is measured.
    """
    import torch

    from benchmarks.loaders.pyg_data import PeptideData

    for row in range(count):
        c = store[row].columns
        ends = {
            f"{name}_index": np.stack([getattr(c, f"{name}_{end}") for end in ("begin", "end")])
            for name in ("bond", "reaction")
        }
        homes = {"atom_fragment": c.atom_fragment, **ends}
        codes = ("atom_code", "fragment_code", "fragment_residue", "bond_code", "reaction_code")
        arrays = {name: np.array(getattr(c, name)) for name in codes}
        arrays |= {name: array.astype(np.int64) for name, array in homes.items()}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        yield PeptideData(num_nodes=len(c.atom_code), **tensors)


def prepare_pyg_memory(store: GraphStore, folder: Path, count: int) -> None:
    """Write the graphs to a file of PyG."""
    from torch_geometric.data import InMemoryDataset

    InMemoryDataset.save(list(pyg_graphs(store, count)), str(folder / "data.pt"))


def _pyg_epochs(dataset: Any, batch_size: int) -> Epochs:
    from torch_geometric.loader import DataLoader

    loader = DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True,
                        follow_batch=["fragment_code"])  # fmt: skip

    def epochs(_epoch: int) -> Iterator[tuple[int, int]]:
        for batch in loader:
            yield batch.num_graphs, batch.num_nodes

    return epochs


def open_pyg_memory(_store: GraphStore, folder: Path, _count: int, batch_size: int) -> Epochs:
    """Load the file into memory for the ``DataLoader`` of PyG."""
    from torch_geometric.data import InMemoryDataset

    from benchmarks.loaders import pyg_data  # noqa: F401  # the class in the file

    dataset = InMemoryDataset()
    dataset.load(str(folder / "data.pt"))
    return _pyg_epochs(dataset, batch_size)


def prepare_pyg_disk(store: GraphStore, folder: Path, count: int) -> None:
    """Write the graphs to an SQLite database of PyG."""
    from torch_geometric.data import OnDiskDataset

    shutil.rmtree(folder)
    dataset = OnDiskDataset(str(folder))
    dataset.extend(list(pyg_graphs(store, count)))
    dataset.close()


def open_pyg_disk(_store: GraphStore, folder: Path, _count: int, batch_size: int) -> Epochs:
    """Open the database for the ``DataLoader`` of PyG, which requests whole batches."""
    from torch_geometric.data import OnDiskDataset

    return _pyg_epochs(OnDiskDataset(str(folder)), batch_size)
