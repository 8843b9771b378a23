"""A map-style dataset over stores, for users of ``torch.utils.data.DataLoader``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.loader.corpus import Subset
from pepland_data.loader.graph_loader import GraphLoader
from pepland_data.loader.tiers.choice import lazy_tier
from pepland_data.store.graph_store import GraphStore


class GraphDataset(Dataset[HeteroGraph]):
    """Single graphs by number, or a batch where PyTorch asks for many at once.

    `GraphLoader` is faster and can be resumed; this is for code that needs a DataLoader. It can be
    pickled and forked: a worker process opens the stores again.

    Args:
        store: an opened store, or several.
        subset: as of `GraphLoader`.

    Examples:
        >>> data = GraphDataset(open_store("data/"))  # doctest: +SKIP
        >>> DataLoader(data, batch_size=512, collate_fn=data.collate)  # doctest: +SKIP
    """

    def __init__(
        self,
        store: GraphStore | Sequence[GraphStore],
        subset: Subset | Sequence[Subset | None] | None = None,
    ) -> None:
        stores = [store] if isinstance(store, GraphStore) else list(store)
        self._loader = GraphLoader(store, subset=subset, shuffle=False, tier=lazy_tier(stores))
        self.corpus = self._loader.corpus
        self.rows = self._loader.batching.order.at(np.arange(self._loader.num_graphs), 0)

    def __getstate__(self) -> dict[str, Any]:
        return {"stores": list(self.corpus.stores), "rows": self.rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        stores = state["stores"]
        self._loader = GraphLoader(stores, shuffle=False, tier=lazy_tier(stores))
        self.corpus, self.rows = self._loader.corpus, state["rows"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> HeteroGraph:
        """Return one graph with its text; negative numbers count from the end."""
        row = self.rows[place : place + 1 or None] if place < 0 else self.rows[place : place + 1]
        if not len(row):
            raise IndexError(f"graph {place} of {len(self)}")
        store = int(self.corpus.owner(row)[0])
        return self.corpus.stores[store][int(row[0] - self.corpus.start[store])]

    def __getitems__(self, places: Sequence[int]) -> HeteroBatch:
        """Return many graphs as one batch; the DataLoader of PyTorch calls this method."""
        return self._loader.batch(self.rows[np.asarray(places, np.int64)])

    @staticmethod
    def collate(batch: HeteroBatch | Sequence[HeteroGraph]) -> HeteroBatch:
        """Return a batch unchanged; join single graphs to a batch."""
        return batch if isinstance(batch, HeteroBatch) else HeteroBatch.from_graphs(batch)
