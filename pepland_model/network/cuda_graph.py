"""Inference on a CUDA device as a recorded CUDA graph, for batches of one static shape.

A CUDA graph replays all kernels of a forward pass with one launch. It reads the arrays of the
recorded batch, and every other batch is copied into them. All batches therefore need the same
shapes (`GraphLoader(static_shapes=True)`) and the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_model.network.output import PharmHGTOutput
from pepland_model.network.pharmhgt import PharmHGT

WARM_UP = 3
"""Forward passes before recording, in which libraries allocate their workspaces."""


class GraphedInference:
    """Records the forward pass of a model on the first batch, and replays it on the others.

    The recorded kernels read the weights in place, so the next replay uses weights that an
    optimizer has changed. All calls use the autocast dtype of the first call.

    Args:
        model: on a CUDA device, in evaluation mode, with ``dedup`` "auto" or False. The plan is
            then made on the device without waiting for it.

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
            InputError: the shapes or tables differ from those of the first batch.
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
        """Record on the device of the model, which may differ from the current device."""
        with torch.cuda.device(batch.device), torch.no_grad(), uncached_autocast("cuda"):
            self._batch = cloned(batch)
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    self.model(self._batch)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # The thread of a loader may pin memory and copy batches now: check this thread only.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._out = self.model(self._batch)
        self._graph = graph


@contextmanager
def uncached_autocast(device: str) -> Iterator[None]:
    """Keep the current autocast dtype, and cast each weight again wherever it is used.

    Autocast frees the casts in its cache when its context ends; a recorded graph would still read
    that memory.
    """
    dtype, enabled = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    with torch.autocast(device, dtype=dtype, enabled=enabled, cache_enabled=False):
        yield


def array_names(batch: HeteroBatch) -> list[str]:
    """Return the names of the arrays of a batch, without the tables."""
    return [f.name for f in fields(batch) if f.name != "tables"]


def cloned(batch: HeteroBatch) -> HeteroBatch:
    """Return a copy of a batch that shares the tables."""
    return HeteroBatch(batch.tables, **{n: getattr(batch, n).clone() for n in array_names(batch)})


def copy_into(recorded: HeteroBatch, batch: HeteroBatch) -> None:
    """Copy the arrays of a batch into those of a recorded batch.

    Raises:
        InputError: the tables or the shape of an array differ.
    """
    if batch.tables.atom_x is not recorded.tables.atom_x:
        raise InputError("the batch has other tables than the recorded batch; record again")
    for name in array_names(batch):
        target, source = getattr(recorded, name), getattr(batch, name)
        if target.shape != source.shape:
            raise InputError(
                f"{name} has shape {tuple(source.shape)}, the recorded "
                f"batch {tuple(target.shape)}; use a loader with static shapes"
            )
        target.copy_(source, non_blocking=True)
