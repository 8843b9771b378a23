"""The graphs of a run: which stores, which split, which vocabulary, which batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.files.remote import is_remote, local_path
from pepland_data.graph.vocabulary import Vocabulary
from pepland_data.hashing import salted
from pepland_data.loader.graph_loader import GraphLoader
from pepland_data.store.graph_store import open_store
from pepland_data.store.split.recorded import open_split, split_names
from pepland_model.run.config import DataConfig, TrainConfig
from pepland_model.run.distributed import World

Rows = npt.NDArray[np.int64]
PARTS = ("train", "valid", "test")
DEFAULT_SPLIT = "default"
"""The recorded split that a run uses."""


@dataclass(frozen=True, eq=False)
class RunData:
    """This rank's share of the graphs."""

    train: Any
    """Loader of training batches: ``set_epoch``, ``state_dict``, ``load_state_dict``."""
    valid: Any | None
    """Loader of validation batches in a fixed order."""
    vocabulary: Vocabulary
    """Labels of the fragment head."""
    steps_per_epoch: int
    """Optimizer steps an epoch, the same on all ranks."""
    fingerprint: dict[str, Any] = field(default_factory=dict)
    """JSON values that are equal if and only if the data is the same."""
    description: dict[str, Any] = field(default_factory=dict)
    """What people want to know about the data."""
    eval_batches: int = 0
    """Batches an evaluation, 0 for all."""
    cut: str = ""
    """Where the molecules of the stores were cut; '' where that is not known."""

    def evaluation(self) -> Iterator[HeteroBatch] | None:
        """Return the validation batches from the first one on, None where there are none."""
        return None if self.valid is None else self._held_out()

    def _held_out(self) -> Iterator[HeteroBatch]:
        assert self.valid is not None
        self.valid.set_epoch(0)
        batches = iter(self.valid)
        yield from islice(batches, self.eval_batches or None)
        if hasattr(batches, "close"):  # an evaluation cut short leaves no thread behind
            batches.close()

    def text(self) -> str:
        """Return one line."""
        return ", ".join(f"{name} {value}" for name, value in self.description.items())


@dataclass(frozen=True, eq=False)
class RunStore:
    """One store and the rows that are trained and evaluated on."""

    store: Any
    rows: Rows
    """[N] int64, rows to train on, ascending."""
    valid_store: Any | None
    valid_rows: Rows
    split: str = "drawn"
    """Where the two sets come from."""


def split_rows(graphs: int, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Split 0..graphs-1 into training and validation rows, the same every time.

    A row's side follows from a hash of (seed, row) alone, so it stays when a store grows.
    """
    if graphs < 2 or fraction <= 0:
        return np.arange(graphs), np.zeros(0, np.int64)
    hashes = salted(np.arange(graphs, dtype=np.uint64), seed)
    held = hashes < np.uint64(int(fraction * 2**64))
    if not held.any():  # few rows: at least one is held out
        held[np.argmin(hashes)] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def open_source(path: str, data: DataConfig) -> RunStore:
    """Open a store, or a folder with ``train/`` and, if it likes, ``valid/``."""
    folder = local_path(path)
    if (
        not is_remote(path)
        and not (folder / "manifest.json").is_file()
        and (folder / "train").is_dir()
    ):
        store = open_store(folder / "train")
        held = open_store(folder / "valid") if (folder / "valid").is_dir() else None
        rows = np.arange(0 if held is None else len(held))
        return RunStore(store, np.arange(len(store)), held, rows)
    store = open_store(path)
    if DEFAULT_SPLIT in split_names(store):
        return recorded_source(store, data)
    train, valid = split_rows(len(store), data.valid_fraction, data.split_seed)
    return RunStore(store, train, store if len(valid) else None, valid)


def recorded_source(store: Any, data: DataConfig) -> RunStore:
    """Return the sets ``train`` and ``valid`` of a store's recorded split."""
    split = open_split(store, DEFAULT_SPLIT)
    train = split.rows("train")
    if "valid" in split.sets:
        valid = split.rows("valid")
    else:
        kept, held = split_rows(len(train), data.valid_fraction, data.split_seed)
        train, valid = train[kept], train[held]
    told = f"{split.name} by {split.method}, recorded"
    return RunStore(store, train, store if len(valid) else None, valid, told)


def own_vocabulary(stores: Sequence[Any], size: int) -> Vocabulary:
    """Return the most frequent fragments of stores, ties in the order of their SMILES."""
    counts: dict[str, int] = {}
    for store in stores:
        total = np.zeros(len(store.tables.fragment_smiles), np.int64)
        for shard in range(len(store.shard_ptr) - 1):
            codes = store.shard_columns(shard).fragment_code
            total += np.bincount(codes, minlength=len(total))
        for smiles, count in zip(store.tables.fragment_smiles, total.tolist(), strict=True):
            counts[smiles] = counts.get(smiles, 0) + count
    found = sorted((s for s, n in counts.items() if n and s), key=lambda s: (-counts[s], s))
    return Vocabulary(tuple(found[:size]))


def open_data(config: TrainConfig, world: World, carried: Vocabulary | None) -> RunData:
    """Open the stores of a run and make this rank's loaders.

    Args:
        config: the run.
        world: processes of the run.
        carried: vocabulary of the run whose weights are taken over, None for a fresh start.
    """
    sources = [open_source(path, config.data) for path in config.data.shards]
    for path, source in zip(config.data.shards, sources, strict=True):
        if not len(source.rows):
            raise InputError(f"{path} holds no graphs to train on")
    if config.data.vocab:
        vocabulary = Vocabulary.from_file(config.data.vocab)
    else:
        stores = [source.store for source in sources]
        vocabulary = carried or own_vocabulary(stores, config.data.vocab_size)
    if not len(vocabulary):
        raise InputError(f"{config.data.shards[0]} holds no fragments; build it again")
    check_vocabulary(vocabulary, sources, config)
    train = _train_loader(config, world, sources)
    steps = -(-_longest(len(train), world) // config.data.accumulate)
    if not steps:
        raise InputError(f"{config.data.shards[0]} gives no batch; lower --batch-size")
    return RunData(
        train,
        _valid_loader(config, world, sources),
        vocabulary,
        steps,
        fingerprint(sources, vocabulary),
        describe(sources, vocabulary, steps, train.tier_reason),
        config.run.eval_batches,
        common_cut([source.store for source in sources]),
    )


def common_cut(stores: Sequence[Any]) -> str:
    """Return the cut of all stores; InputError where they differ: their fragments do not mix."""
    cuts = {str(store.path): str(store.manifest.options.get("cut", "")) for store in stores}
    if len(set(cuts.values())) > 1:
        told = ", ".join(f"{path} {cut}" for path, cut in cuts.items())
        raise InputError(f"the stores were cut in different ways ({told}); build them alike")
    return next(iter(cuts.values()))


def check_vocabulary(
    vocabulary: Vocabulary, sources: Sequence[RunStore], config: TrainConfig
) -> None:
    """Refuse a vocabulary that labels no fragment of the data: it is of another cut or format."""
    there = {smiles for source in sources for smiles in source.store.tables.fragment_smiles}
    if there.isdisjoint(vocabulary.fragments):
        where = config.data.vocab or config.run.init_from
        raise InputError(
            f"none of the {len(vocabulary)} fragments of the vocabulary of {where} occurs in "
            f"{config.data.shards[0]} (such as {vocabulary.fragments[0]!r}); give one of the same "
            "cut, or leave out --vocab"
        )


def part_size(data: DataConfig, world: World) -> int:
    """Return the graphs of one part of one rank; InputError where a batch cannot be shared out."""
    shares = world.size * data.accumulate
    if data.batch_size % shares:
        raise InputError(
            f"batch_size {data.batch_size} cannot be shared by {world.size} processes in "
            f"{data.accumulate} parts; make it a multiple of {shares}"
        )
    return data.batch_size // shares


def _longest(batches: int, world: World) -> int:
    if world.size == 1:
        return batches
    everyone = torch.zeros(world.size, device=world.device)
    everyone[world.rank] = batches
    return int(world.sum(everyone).max())


def _train_loader(config: TrainConfig, world: World, sources: Sequence[RunStore]) -> GraphLoader:
    return GraphLoader(
        [source.store for source in sources],
        part_size(config.data, world),
        shuffle="block" if config.data.shuffle == "block" else True,
        seed=config.run.seed,
        device=world.device,
        tier=config.data.tier,
        subset=[_unless_all(source.rows, source.store) for source in sources],
        rank=world.rank,
        world_size=world.size,
        weights=config.data.weights,
    )


def _valid_loader(
    config: TrainConfig, world: World, sources: Sequence[RunStore]
) -> GraphLoader | None:
    held = [source for source in sources if len(source.valid_rows)]
    if not held:
        return None
    stores: list[Any] = [source.valid_store for source in held]
    return GraphLoader(
        stores,
        part_size(config.data, world),
        shuffle=False,
        device=world.device,
        tier=config.data.tier,
        subset=[_unless_all(source.valid_rows, source.valid_store) for source in held],
        rank=world.rank,
        world_size=world.size,
    )


def _unless_all(rows: Rows, store: Any) -> Rows | None:
    """Return the rows, None where they are all of the store in its order."""
    return None if np.array_equal(rows, np.arange(len(store))) else rows


def fingerprint(sources: Sequence[RunStore], vocabulary: Vocabulary) -> dict[str, Any]:
    """Return digests of graphs, split and vocabulary."""
    return {
        "stores": [store_digest(s.store) for s in sources],
        "rows": [_digest(s.rows.tobytes() + s.valid_rows.tobytes()) for s in sources],
        "vocabulary": vocabulary.digest,
    }


def store_digest(store: Any) -> str:
    """Return a digest of the checksums of all files, so of every byte of the store."""
    return _digest("\n".join(f"{e.file} {e.sha256}" for e in store.manifest.entries()).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def describe(
    sources: Sequence[RunStore], vocabulary: Vocabulary, steps: int, tier: str
) -> dict[str, Any]:
    """Return what people want to know about the data of a run."""
    return {
        "stores": ", ".join(s.store.location for s in sources),
        "training peptides": sum(len(s.rows) for s in sources),
        "split": ", ".join(dict.fromkeys(s.split for s in sources)),
        "validation peptides": sum(len(s.valid_rows) for s in sources),
        "vocabulary": len(vocabulary),
        "steps an epoch": steps,
        "tier": tier,
    }
