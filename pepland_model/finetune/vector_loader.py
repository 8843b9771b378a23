"""Batches of vectors computed once, for a frozen encoder: they are the same in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_model.finetune.task_network import VectorBatch


class VectorLoader:
    """A loader like `GraphLoader`: a seeded order, and a position to resume from.

    Args:
        features: [G, width] float32, vectors of all peptides.
        rows: [N] int64, rows of `features` to draw from.
        batch_size: peptides per batch; the last batch of an epoch may be smaller.
        shuffle: whether each epoch has another order.
        seed: seed of the order.
    """

    def __init__(
        self,
        features: Tensor,
        rows: npt.NDArray[np.int64],
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        self.features, self.rows, self.batch_size = features, rows, batch_size
        self.shuffle, self.seed = shuffle, seed
        self.epoch = self.position = 0

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Move to the start of an epoch."""
        self.epoch, self.position = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Return the position."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a position of `state_dict`."""
        self.epoch, self.position = state["epoch"], state["position"]

    def __iter__(self) -> Iterator[VectorBatch]:
        order = self.rows
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        while self.position < len(order):
            chosen = order[self.position : self.position + self.batch_size]
            self.position += len(chosen)
            index = torch.from_numpy(np.ascontiguousarray(chosen)).to(self.features.device)
            yield VectorBatch(index, self.features.index_select(0, index))
