"""The graphs of a pre-training run: vocabulary and loaders of this process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_data.loader.graph_loader import GraphLoader
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.summary import most_frequent
from pepland_model.run.config import DataConfig, TrainConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.run.run_stores import Rows, RunStore, common_cut, open_source, store_digest


@dataclass(frozen=True, eq=False)
class RunData:
    """The graphs of a run and this process's loaders of them."""

    train: Any
    """Loader of training batches, with ``set_epoch``, ``state_dict`` and ``load_state_dict``."""
    valid: Any | None
    """Loader of validation batches in a fixed order."""
    vocabulary: Vocabulary
    """Labels of the fragment head."""
    steps_per_epoch: int
    """Optimizer steps per epoch, the same on all ranks."""
    fingerprint: dict[str, Any] = field(default_factory=dict)
    """Digests; equal if and only if graphs, split and vocabulary are the same."""
    description: dict[str, Any] = field(default_factory=dict)
    """Facts about the data, for people."""
    eval_batches: int = 0
    """Batches per evaluation, 0 for all."""
    cut: str = ""
    """Cut of the stores; '' if it is not known."""

    def evaluation(self) -> Iterator[HeteroBatch] | None:
        """Return the validation batches from the first one, None if there are none."""
        return None if self.valid is None else self._valid_batches()

    def _valid_batches(self) -> Iterator[HeteroBatch]:
        assert self.valid is not None
        self.valid.set_epoch(0)
        batches = iter(self.valid)
        yield from islice(batches, self.eval_batches or None)
        if hasattr(batches, "close"):  # ends the loader's thread after `eval_batches`
            batches.close()

    def text(self) -> str:
        """Return the description as one line."""
        return ", ".join(f"{name} {value}" for name, value in self.description.items())


def open_data(
    config: TrainConfig, processes: ProcessGroup, source_vocabulary: Vocabulary | None
) -> RunData:
    """Open the stores of a run and make the loaders of this process.

    Args:
        config: the run.
        processes: processes of the run.
        source_vocabulary: vocabulary of the run in ``init_from``; None if there is none.
    """
    sources = [open_source(path, config.data) for path in config.data.shards]
    for path, source in zip(config.data.shards, sources, strict=True):
        if not len(source.rows):
            raise InputError(f"{path} has no graphs to train on; choose another store or split")
    if config.data.vocab:
        vocabulary = Vocabulary.from_file(config.data.vocab)
    else:
        stores = [source.store for source in sources]
        vocabulary = source_vocabulary or Vocabulary(
            tuple(most_frequent(stores, config.data.vocab_size))
        )
    if not len(vocabulary):
        raise InputError(f"{config.data.shards[0]} has no fragments; build it again")
    check_vocabulary(vocabulary, sources, config)
    train = _train_loader(config, processes, sources)
    steps = -(-_most_batches(len(train), processes) // config.data.accumulate)
    if not steps:
        raise InputError(f"{config.data.shards[0]} has no full batch; use a lower --batch-size")
    return RunData(
        train,
        _valid_loader(config, processes, sources),
        vocabulary,
        steps,
        fingerprint(sources, vocabulary),
        describe(sources, vocabulary, steps, train.tier_reason),
        config.run.eval_batches,
        common_cut([source.store for source in sources]),
    )


def check_vocabulary(
    vocabulary: Vocabulary, sources: Sequence[RunStore], config: TrainConfig
) -> None:
    """Raise InputError if no fragment of the data is in the vocabulary, as with another cut."""
    fragments = {smiles for source in sources for smiles in source.store.tables.fragment_smiles}
    if fragments.isdisjoint(vocabulary.fragments):
        where = config.data.vocab or config.run.init_from
        raise InputError(
            f"none of the {len(vocabulary)} fragments of the vocabulary of {where} (such as "
            f"{vocabulary.fragments[0]!r}) occurs in {config.data.shards[0]}; use a vocabulary of "
            "the same cut, or leave out --vocab"
        )


def part_size(data: DataConfig, processes: ProcessGroup) -> int:
    """Return the graphs per part and process; InputError if a batch cannot be divided equally."""
    shares = processes.size * data.accumulate
    if data.batch_size % shares:
        raise InputError(
            f"batch_size {data.batch_size} cannot be divided among {processes.size} processes with "
            f"{data.accumulate} parts each; make it a multiple of {shares}"
        )
    return data.batch_size // shares


def _most_batches(batches: int, processes: ProcessGroup) -> int:
    """Return the largest number of batches of any rank."""
    if processes.size == 1:
        return batches
    by_rank = torch.zeros(processes.size, device=processes.device)
    by_rank[processes.rank] = batches
    return int(processes.sum(by_rank).max())


def _train_loader(
    config: TrainConfig, processes: ProcessGroup, sources: Sequence[RunStore]
) -> GraphLoader:
    shuffle = "block" if config.data.shuffle == "block" else True
    weights, pairs = config.data.weights, [(source.store, source.rows) for source in sources]
    return _loader(config, processes, pairs, shuffle=shuffle, seed=config.run.seed, weights=weights)


def _valid_loader(
    config: TrainConfig, processes: ProcessGroup, sources: Sequence[RunStore]
) -> GraphLoader | None:
    pairs = [
        (source.valid_store, source.valid_rows)
        for source in sources
        if source.valid_store is not None and len(source.valid_rows)
    ]
    return _loader(config, processes, pairs, shuffle=False) if pairs else None


def _loader(
    config: TrainConfig, processes: ProcessGroup, pairs: Sequence[tuple[GraphStore, Rows]],
    **order: Any,
) -> GraphLoader:  # fmt: skip
    """Return the loader of this process for some rows of each store."""
    # None where all rows are wanted
    subset = [None if np.array_equal(rows, np.arange(len(s))) else rows for s, rows in pairs]
    return GraphLoader(
        [store for store, _ in pairs],
        part_size(config.data, processes),
        device=processes.device,
        tier=config.data.tier,
        subset=subset,
        rank=processes.rank,
        world_size=processes.size,
        **order,
    )


def fingerprint(sources: Sequence[RunStore], vocabulary: Vocabulary) -> dict[str, Any]:
    """Return digests of graphs, split and vocabulary."""
    return {
        "stores": [store_digest(s.store) for s in sources],
        "rows": [
            hashlib.sha256(s.rows.tobytes() + s.valid_rows.tobytes()).hexdigest() for s in sources
        ],
        "vocabulary": vocabulary.digest,
    }


def describe(
    sources: Sequence[RunStore], vocabulary: Vocabulary, steps: int, tier: str
) -> dict[str, Any]:
    """Return facts about the data of a run, for people."""
    return {
        "stores": ", ".join(s.store.location for s in sources),
        "training peptides": sum(len(s.rows) for s in sources),
        "split": ", ".join(dict.fromkeys(s.split for s in sources)),
        "validation peptides": sum(len(s.valid_rows) for s in sources),
        "vocabulary": len(vocabulary),
        "steps an epoch": steps,
        "tier": tier,
    }
