"""Batches of vectors that were computed once: a frozen encoder gives the same in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_model.finetune.task_network import VectorBatch


class VectorLoader:
    """Keeps the promises of `GraphLoader`: a seeded order, and a position to go on from.

    Args:
        features: [G, width] float32, of all peptides.
        rows: [N] int64, those to draw from.
        batch_size: peptides a batch; the last one of an epoch is smaller.
        shuffle: another order each epoch.
        seed: of the order.
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
        """Go to the start of an epoch."""
        self.epoch, self.position = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Return where it is."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
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
