"""Inference on a CUDA device as one recorded program, for batches of one static shape.

A CUDA graph replays all kernels of a pass with one launch. The batch is copied into the arrays that
were recorded with, so every batch needs the same shapes (`GraphLoader(static_shapes=True)`) and the
same tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_model.network.pharmhgt import PharmHGT, PharmHGTOutput

WARM_UP = 3
"""Passes before recording, so that libraries have made their workspaces."""


class GraphedInference:
    """Records a model's forward pass on its first batch and replays it on the others.

    What is recorded reads the weights where they are, so a step of an optimizer shows in the next
    replay. The autocast type at the first call stays that of all calls.

    Args:
        model: on a CUDA device, in evaluation mode, with ``dedup`` "auto" or False, whose plan is
            made on the device without a wait.

    Raises:
        InputError: the model is on another device or in training mode.
    """

    def __init__(self, model: PharmHGT) -> None:
        weight = next(model.parameters())
        if weight.device.type != "cuda" or model.training or model.config.dedup is True:
            raise InputError(
                "a CUDA graph needs a model on a CUDA device, in evaluation mode, with "
                'dedup "auto" or False'
            )
        self.model = model
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: HeteroBatch | None = None
        self._out: PharmHGTOutput | None = None

    def __call__(self, batch: HeteroBatch) -> PharmHGTOutput:
        """Return the states of a batch; the next call overwrites them.

        Raises:
            InputError: other shapes or tables than those of the first batch.
        """
        if self._graph is None:
            self._record(batch)
        assert self._graph is not None
        assert self._batch is not None
        assert self._out is not None
        copy_into(self._batch, batch)
        self._graph.replay()
        return self._out

    def _record(self, batch: HeteroBatch) -> None:
        """Record on the model's device, which need not be the current one."""
        with torch.cuda.device(batch.device), torch.no_grad(), uncached_autocast("cuda"):
            self._batch = cloned(batch)
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    self.model(self._batch)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # A loader's thread may pin memory and copy batches meanwhile: watch this thread only.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._out = self.model(self._batch)
        self._graph = graph


@contextmanager
def uncached_autocast(device: str) -> Iterator[None]:
    """Keep the autocast type, and cast each weight again wherever it is used.

    Casts that autocast keeps are freed when its context ends; a recorded program would go on
    reading that memory.
    """
    kind, enabled = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    with torch.autocast(device, dtype=kind, enabled=enabled, cache_enabled=False):
        yield


def array_names(batch: HeteroBatch) -> list[str]:
    """Return the names of a batch's arrays, the tables left out."""
    return [f.name for f in fields(batch) if f.name != "tables"]


def cloned(batch: HeteroBatch) -> HeteroBatch:
    """Return a batch with arrays of its own and the same tables."""
    return HeteroBatch(batch.tables, **{n: getattr(batch, n).clone() for n in array_names(batch)})


def copy_into(held: HeteroBatch, batch: HeteroBatch) -> None:
    """Copy a batch's arrays over those of another of the same shape and tables.

    Raises:
        InputError: names what is of another shape.
    """
    if batch.tables.atom_x is not held.tables.atom_x:
        raise InputError("the batch has other tables than the recorded one; record again")
    for name in array_names(batch):
        target, source = getattr(held, name), getattr(batch, name)
        if target.shape != source.shape:
            raise InputError(
                f"{name} has shape {tuple(source.shape)}, recorded was {tuple(target.shape)}; "
                "use a loader with static shapes"
            )
        target.copy_(source, non_blocking=True)
