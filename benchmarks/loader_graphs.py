"""Loaders of graph objects that `bench_loader` measures: DGL's and PyG's own.

DGL graphs hold the float32 feature rows that PepLand's published code pickles; PyG's hold the codes
and local indices that our store keeps, each bond once, which is the least it can carry.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.loader_coded import Epochs, shuffled_batches
from pepland_data import GraphLoader, GraphStore
from pepland_data.dgl_import import import_dgl


def prepare_pickles(store: GraphStore, folder: Path, count: int) -> None:
    """Pickle one DGL heterograph a file."""
    loader = GraphLoader(store, tier="mmap")
    for row in range(count):
        (folder / f"{row}.pkl").write_bytes(pickle.dumps(loader.batch([row]).to_dgl()))


def open_pickles(_store: GraphStore, folder: Path, count: int, batch_size: int) -> Epochs:
    """Read pickles, ``dgl.batch``."""
    dgl = import_dgl()

    def epochs(epoch: int) -> Iterator[tuple[int, int]]:
        for graphs in shuffled_batches(count, batch_size, epoch):
            loaded = [pickle.loads((folder / f"{row}.pkl").read_bytes()) for row in graphs]
            yield len(graphs), dgl.batch(loaded).num_nodes("a")

    return epochs


def prepare_dgl(store: GraphStore, folder: Path, count: int) -> None:
    """Write DGL's own file of graphs."""
    loader = GraphLoader(store, tier="mmap")
    graphs = [loader.batch([row]).to_dgl() for row in range(count)]
    import_dgl().save_graphs(str(folder / "graphs.bin"), graphs)


def open_dgl(_store: GraphStore, folder: Path, _count: int, batch_size: int) -> Epochs:
    """Load it into memory for DGL's ``GraphDataLoader``."""
    graphs, _ = import_dgl().load_graphs(str(folder / "graphs.bin"))
    from dgl.dataloading import GraphDataLoader

    batches = GraphDataLoader(graphs, batch_size=batch_size, shuffle=True, drop_last=True)

    def epochs(_epoch: int) -> Iterator[tuple[int, int]]:
        for batch in batches:
            yield batch.batch_size, batch.num_nodes("a")

    return epochs


def pyg_graphs(store: GraphStore, count: int) -> Iterator[Any]:
    """Yield coded graphs as PyG's ``HeteroData``, each bond once."""
    import torch
    from torch_geometric.data import HeteroData

    for row in range(count):
        c = store[row].columns
        data = HeteroData()
        data["atom"].code = torch.from_numpy(np.array(c.atom_code))
        data["fragment"].code = torch.from_numpy(np.array(c.fragment_code))
        data["fragment"].residue = torch.from_numpy(np.array(c.fragment_residue))
        data["atom"].num_nodes, data["fragment"].num_nodes = len(c.atom_code), len(c.fragment_code)
        home = np.stack([np.arange(len(c.atom_code)), c.atom_fragment])
        data["atom", "in", "fragment"].edge_index = torch.from_numpy(home.astype(np.int64))
        for name, kind in (("bond", "atom"), ("reaction", "fragment")):
            ends = np.stack([getattr(c, f"{name}_begin"), getattr(c, f"{name}_end")])
            data[kind, name, kind].edge_index = torch.from_numpy(ends.astype(np.int64))
            codes = np.array(getattr(c, f"{name}_code"))
            data[kind, name, kind].code = torch.from_numpy(codes)
        yield data


def prepare_pyg_memory(store: GraphStore, folder: Path, count: int) -> None:
    """Write PyG's own file."""
    from torch_geometric.data import InMemoryDataset

    InMemoryDataset.save(list(pyg_graphs(store, count)), str(folder / "data.pt"))


def _pyg_epochs(dataset: Any, batch_size: int) -> Epochs:
    from torch_geometric.loader import DataLoader

    loader = DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True)

    def epochs(_epoch: int) -> Iterator[tuple[int, int]]:
        for batch in loader:
            yield batch.num_graphs, batch["atom"].num_nodes

    return epochs


def open_pyg_memory(_store: GraphStore, folder: Path, _count: int, batch_size: int) -> Epochs:
    """Load it, for PyG's ``DataLoader``."""
    from torch_geometric.data import InMemoryDataset

    dataset = InMemoryDataset()
    dataset.load(str(folder / "data.pt"))
    return _pyg_epochs(dataset, batch_size)


def prepare_pyg_disk(store: GraphStore, folder: Path, count: int) -> None:
    """Write PyG's SQLite database."""
    from torch_geometric.data import OnDiskDataset

    shutil.rmtree(folder)
    dataset = OnDiskDataset(str(folder))
    dataset.extend(list(pyg_graphs(store, count)))
    dataset.close()


def open_pyg_disk(_store: GraphStore, folder: Path, _count: int, batch_size: int) -> Epochs:
    """Open it, for PyG's ``DataLoader``, which asks for whole batches."""
    from torch_geometric.data import OnDiskDataset

    return _pyg_epochs(OnDiskDataset(str(folder)), batch_size)
