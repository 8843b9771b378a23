"""A whole store in the memory of one device, and batches put together there.

A graph's codes take about a kilobyte, so a million peptides fit beside the training of a consumer
GPU. A batch is made from its graph numbers by gathers alone; the array lengths are known on the
host beforehand, so nothing waits for the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pepland_data.batch import BatchTables, HeteroBatch
from pepland_data.columns import GROUPS, concat, empty_columns
from pepland_data.store import GraphStore


class ResidentStore:
    """The ten flat arrays of a store as int32 tensors, the pointers as int64.

    Args:
        store: an opened store.
        device: where it goes; ``cpu`` is the host tier.
    """

    def __init__(self, store: GraphStore, device: torch.device) -> None:
        shards = [store.shard_columns(s) for s in range(len(store.shard_ptr) - 1)]
        columns = concat(shards) if shards else empty_columns()
        self.device = device
        self.ptr: dict[str, Tensor] = {}
        self.flat: dict[str, Tensor] = {}
        self.sizes: dict[str, npt.NDArray[np.int64]] = {}
        for group, names in GROUPS.items():
            ptr = np.array(getattr(columns, f"{group}_ptr"), np.int64)
            self.sizes[group] = np.diff(ptr)
            self.ptr[group] = torch.from_numpy(ptr).to(device)
            for name in names:
                values = getattr(columns, name).astype(np.int32)
                self.flat[name] = torch.from_numpy(values).to(device)

    @property
    def nbytes(self) -> int:
        """Bytes on the device."""
        tensors = [*self.ptr.values(), *self.flat.values()]
        return sum(t.numel() * t.element_size() for t in tensors)

    def batch(self, graphs: npt.NDArray[np.int64], tables: BatchTables) -> HeteroBatch:
        """Return the named graphs as a batch, equal to `HeteroBatch.from_columns` of them."""
        chosen = torch.from_numpy(graphs).to(self.device, non_blocking=True)
        made: dict[str, Any] = {}
        counts: dict[str, Tensor] = {}
        totals: dict[str, int] = {}
        for group, names in GROUPS.items():
            start, end = self.ptr[group][chosen], self.ptr[group][chosen + 1]
            counts[group], totals[group] = end - start, int(self.sizes[group][graphs].sum())
            ptr = torch.cat([chosen.new_zeros(1), counts[group].cumsum(0)])
            rows = self._spread(start - ptr[:-1], counts[group], totals[group])
            rows += torch.arange(totals[group], device=self.device)
            made[f"{group}_ptr"] = ptr
            made |= {name: self.flat[name].index_select(0, rows) for name in names}
        atom_start, fragment_start = made["atom_ptr"][:-1], made["fragment_ptr"][:-1]
        for name, group, base in (
            ("atom_fragment", "atom", fragment_start),
            ("bond_begin", "bond", atom_start),
            ("bond_end", "bond", atom_start),
            ("reaction_begin", "reaction", fragment_start),
            ("reaction_end", "reaction", fragment_start),
        ):
            made[name] += self._spread(base.to(torch.int32), counts[group], totals[group])
        return HeteroBatch(tables, chosen, **made)

    @staticmethod
    def _spread(values: Tensor, counts: Tensor, total: int) -> Tensor:
        return torch.repeat_interleave(values, counts, output_size=total)
