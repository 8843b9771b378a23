"""What the loader tests share: bit-identical batches, and batches made without the loader."""

from __future__ import annotations

import numpy as np
import torch

from pepland_data import GraphLoader, HeteroBatch
from pepland_data.graph.columns import GROUPS, concat

FIELDS = ["graph_index", *(f"{g}_ptr" for g in GROUPS), *(n for ns in GROUPS.values() for n in ns)]


def same(one: HeteroBatch, other: HeteroBatch) -> bool:
    """Return whether all arrays have equal dtypes and are bit-identical."""
    return all(
        getattr(one, f).dtype == getattr(other, f).dtype
        and torch.equal(getattr(one, f), getattr(other, f))
        for f in FIELDS
    )


def plain(loader: GraphLoader, graphs) -> HeteroBatch:
    """Return a batch made without any tier: gathered store by store, recoded, joined."""
    corpus, parts = loader.corpus, []
    wanted = np.asarray(graphs, np.int64)
    for number, store in enumerate(corpus.stores):
        rows = wanted[corpus.owner(wanted) == number] - corpus.start[number]
        recode = corpus.recodes[number]
        columns = store.gather(rows)
        parts.append(columns if recode is None else columns.recode(recode))
    return HeteroBatch.from_columns(concat(parts), loader.tables, corpus.group_by_store(wanted))


def rows_of(loader: GraphLoader) -> list[list[int]]:
    """Return the graph numbers of each remaining batch of the epoch, without padding."""
    return [[g for g in batch.graph_index.tolist() if g >= 0] for batch in loader]
