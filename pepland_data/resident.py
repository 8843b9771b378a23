"""A whole corpus in the memory of one device, and batches put together there.

A graph's codes take about a kilobyte, so a million peptides fit beside the training of a consumer
GPU. One small copy a batch brings graph numbers and pointers; the rest is gathers on the device.
All lengths are known on the host beforehand, so nothing waits for the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pepland_data.batch import BatchTables, HeteroBatch
from pepland_data.columns import GROUPS
from pepland_data.corpus import Corpus
from pepland_data.layout import COLUMNS, HOME, Parts, ghost, write_head
from pepland_data.sources import flat_corpus

SIGNED = {1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64}
"""Bytes of an item -> the dtype in which torch can index it."""


class ResidentCorpus:
    """The ten flat arrays of a corpus, narrow as on disk, and the pointers as int64.

    Args:
        corpus: the stores.
        device: where it goes; on a CPU the same steps run for tests.
    """

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        flat, ptr = flat_corpus(corpus)
        self.device = device
        self.ptr = {group: torch.from_numpy(p).to(device) for group, p in ptr.items()}
        self.flat = {
            name: torch.from_numpy(values.view(SIGNED[values.dtype.itemsize])).to(device)
            for name, values in flat.items()
        }
        self._count = torch.zeros(0, dtype=torch.int64, device=device)

    @property
    def nbytes(self) -> int:
        """Bytes on the device."""
        tensors = [*self.ptr.values(), *self.flat.values()]
        return sum(t.numel() * t.element_size() for t in tensors)

    def batch(self, parts: Parts, tables: BatchTables) -> HeteroBatch:
        """Return a batch, equal to the last bit to one written by `sources.write_batch`."""
        head = self._head(parts)
        made: dict[str, Any] = dict(head)
        count = len(parts.graphs)
        graphs = head["graph_index"][:count]
        begins = {group: head[f"{group}_ptr"][:count] for group in GROUPS}
        for group, names in GROUPS.items():
            total = int(parts.ptr[group][-1])
            counts = head[f"{group}_ptr"][1 : count + 1] - begins[group]
            owner = torch.repeat_interleave(self._numbers(count), counts, output_size=total)
            rows = (self.ptr[group][graphs] - begins[group])[owner] + self._numbers(total)
            for name in names:
                values = self._widened(self.flat[name].index_select(0, rows))
                if name in HOME:
                    values += begins[HOME[name]].to(torch.int32)[owner]
                made[name] = self._padded(values, name, parts)
        return HeteroBatch(tables, **made)

    def _head(self, parts: Parts) -> dict[str, Tensor]:
        """Return graph numbers and pointers on the device, sent in one copy."""
        names = ["graph_index", *(f"{group}_ptr" for group in GROUPS)]
        lengths = [parts.shape.graphs, *[parts.shape.graphs + 1] * len(GROUPS)]
        sent = torch.empty(sum(lengths), dtype=torch.int64, pin_memory=self.device.type == "cuda")
        pieces = dict(zip(names, torch.split(sent, lengths), strict=True))
        write_head({name: piece.numpy() for name, piece in pieces.items()}, parts)
        there = sent.to(self.device, non_blocking=True)
        return dict(zip(names, torch.split(there, lengths), strict=True))

    def _numbers(self, count: int) -> Tensor:
        """Return 0..count-1, made once. [count] int64."""
        if len(self._count) < count:
            self._count = torch.arange(2 * count, device=self.device)
        return self._count[:count]

    @staticmethod
    def _widened(values: Tensor) -> Tensor:
        wide = values.to(torch.int32)
        return wide & 0xFFFF if values.dtype == torch.int16 else wide

    @staticmethod
    def _padded(values: Tensor, name: str, parts: Parts) -> Tensor:
        missing = parts.shape.rows[COLUMNS[name]] - len(values)
        if not missing:
            return values
        return torch.nn.functional.pad(values, (0, missing), value=ghost(name, parts.shape))
