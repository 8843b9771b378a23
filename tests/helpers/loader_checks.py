"""What the loader tests share: equality of batches to the last bit."""

from __future__ import annotations

import numpy as np
import torch

from pepland_data import GraphLoader, HeteroBatch
from pepland_data.graph.columns import GROUPS, concat

FIELDS = ["graph_index", *(f"{g}_ptr" for g in GROUPS), *(n for ns in GROUPS.values() for n in ns)]


def same(one: HeteroBatch, other: HeteroBatch) -> bool:
    """Return whether all arrays have equal dtypes and bits."""
    return all(
        getattr(one, f).dtype == getattr(other, f).dtype
        and torch.equal(getattr(one, f), getattr(other, f))
        for f in FIELDS
    )


def plain(loader: GraphLoader, graphs) -> HeteroBatch:
    """Return a batch by the plain path: gathered store by store, recoded, joined."""
    corpus, parts = loader.corpus, []
    wanted = np.asarray(graphs, np.int64)
    for number, store in enumerate(corpus.stores):
        rows = wanted[corpus.owner(wanted) == number] - corpus.start[number]
        recode = corpus.recode(number)
        columns = store.gather(rows)
        parts.append(columns if recode is None else columns.recode(recode))
    return HeteroBatch.from_columns(concat(parts), loader.tables, corpus.together(wanted))


def rows_of(loader: GraphLoader) -> list[list[int]]:
    """Return the graph numbers of each batch that is left of the epoch."""
    return [[g for g in batch.graph_index.tolist() if g >= 0] for batch in loader]
