"""Inference on a CUDA device as a recorded CUDA graph, for batches of any size.

The graph finds the distinct states of a batch and computes each once. It reads the weights where
they lie, so it uses weights that an optimizer has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_model.network.fixed_program import FixedProgram, Run, nothing
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.output import PharmHGTOutput
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.pooling import Pooling, pointers_of
from pepland_model.network.states.rooms import Rooms
from pepland_model.network.states.state_rows import StateRows
from pepland_model.network.takers import bag


class GraphedInference:
    """Runs a model on batches; the first batches warm up and decide the sizes of the arrays.

    A batch that does not fit runs again in larger arrays. All calls use the autocast dtype of the
    first call.

    Args:
        model: in evaluation mode, with ``dedup`` "auto" or True.
        graph: see `FixedProgram`; ``off`` also runs on a CPU.
        say: shows a sentence to the user.

    Raises:
        InputError: the model is in training mode, computes every row, or is on another device.
    """

    def __init__(
        self, model: PharmHGT, graph: str = "auto", say: Callable[[str], None] = lambda text: None
    ) -> None:
        device = next(model.parameters()).device
        if (
            model.training
            or model.config.dedup is False
            or (device.type != "cuda" and graph != "off")
        ):
            raise InputError(
                "a CUDA graph needs a model on a CUDA device, in evaluation mode, with "
                'dedup "auto" or True'
            )
        self.model = model
        self.program = FixedProgram([self._body], model.search_states, device, graph, say)

    def __call__(self, batch: HeteroBatch) -> PharmHGTOutput:
        """Return the states of a batch."""
        atom, fragment, *junction = self.run(batch)
        atoms, fragments = len(batch.atom_code), len(batch.fragment_code)
        j_atom, j_fragment = junction or (None, None)
        return PharmHGTOutput(
            atom[:atoms], fragment[:fragments],
            None if j_atom is None else j_atom[:atoms],
            None if j_fragment is None else j_fragment[:fragments],
            self.model.config.output,
        )  # fmt: skip

    def run(self, batch: HeteroBatch) -> tuple[Tensor, ...]:
        """Return the results of one batch, in arrays of fixed size."""
        return [*self.submit(batch), *self.flush()][-1].results

    def submit(self, batch: HeteroBatch, tag: Any = None) -> list[Run]:
        """Start a batch; return earlier ones that have ended, in order."""
        with torch.no_grad():
            return self.program.submit(batch, tag, nothing)

    def flush(self) -> list[Run]:
        """Wait for all batches, and return those that had not been returned."""
        with torch.no_grad():
            return self.program.flush()

    def _body(self, batch: HeteroBatch, rooms: Rooms, halted: Tensor) -> tuple[Tensor, ...]:
        out, found = self.model.states(batch, rooms)
        halted.logical_or_(rooms.overflow())
        return self._results(batch, out, found)

    def _results(
        self, batch: HeteroBatch, out: PharmHGTOutput, found: StateRows
    ) -> tuple[Tensor, ...]:
        """Return the states of all nodes, those of the junction view last."""
        states = (out.atom, out.fragment, out.atom_junction, out.fragment_junction)
        rows = 2 * (found.of_atom, found.of_fragment)
        return tuple(s[r] for s, r in zip(states, rows, strict=True) if s is not None)


class GraphedVectors(GraphedInference):
    """Runs a model on batches and returns vectors.

    Args:
        model: as for `GraphedInference`.
        pooling: which vectors.
        graph: as there.
        say: as there.
    """

    def __init__(
        self, model: PharmHGT, pooling: Pooling, graph: str = "auto",
        say: Callable[[str], None] = lambda text: None,
    ) -> None:  # fmt: skip
        super().__init__(model, graph, say)
        self.pooling = pooling

    def vectors(self, batch: HeteroBatch) -> tuple[Tensor, Tensor]:
        """Return the vectors [N, d] float32 of a batch, and the pointers of its graphs [G+1]."""
        ptr = pointers_of(batch, self.pooling)
        (rows,) = self.run(batch)
        return rows[: self.rows_of(batch)], ptr

    def rows_of(self, batch: HeteroBatch) -> int:
        """Return the number of vectors of a batch."""
        arrays = {"atom": batch.atom_code, "fragment": batch.fragment_code}
        return len(arrays.get(self.pooling.level, batch.graph_index))

    def _results(
        self, batch: HeteroBatch, out: PharmHGTOutput, found: StateRows
    ) -> tuple[Tensor, ...]:
        views = {
            "atom": (out.atom_embedding, found.of_atom, batch.atom_ptr),
            "fragment": (out.fragment_embedding, found.of_fragment, batch.fragment_ptr),
        }
        if self.pooling.level in views:
            states, rows, _ = views[self.pooling.level]
            return (states[rows].float(),)
        pooled = [
            pooled_rows(states, rows, ptr, self.pooling.how)
            for name, (states, rows, ptr) in views.items()
            if self.pooling.view in ("both", name)
        ]
        return (pooled[0] if len(pooled) == 1 else (pooled[0] + pooled[1]) / 2,)


def pooled_rows(states: Tensor, rows: Tensor, ptr: Tensor, how: str) -> Tensor:
    """Return the mean or maximum of ``states[rows]`` over each segment. [G, d] float32."""
    if how == "mean" and kernels.runs_on(states.device):
        from pepland_model.network.kernels.segment_rows import segment_rows

        total = segment_rows(states.float(), (rows, None), ptr, rows)
        return total / ptr.diff().clamp(min=1).unsqueeze(1)
    return bag(states.float(), rows, ptr, how)
