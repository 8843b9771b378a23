"""All rounds of message passing, and the last layer, as one function of autograd.

A state has several consumers, and a weight several uses. Autograd computes a gradient for each, and
adds them one by one. Here layers with the same input have their gradients side by side, so one
product does the adding. Rows have D columns, see `columns`: what comes in and goes out has d.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.attention import attended, attended_gradients
from pepland_model.network.kernels.columns import Columns
from pepland_model.network.kernels.gather_sum import gather_sums
from pepland_model.network.kernels.jobs import Job, job
from pepland_model.network.kernels.round_layers import (
    BACK,
    EDGE,
    END,
    KEY,
    OUTPUT,
    QUERY,
    AllLayers,
    LastLayer,
    Layers,
    layers_of,
)
from pepland_model.network.kernels.taken_sum import taken_sum

if TYPE_CHECKING:
    from pepland_model.network.takers import AnyIndex

Attended = tuple[Tensor, Tensor, Tensor, Tensor]
"""Query [n, D], keys and values [m, 2D], result [K, D] and norm [K, heads]."""


class Indices(NamedTuple):
    """Where a round takes its rows from, as in `states.plan`; each index with its takers."""

    own: AnyIndex
    inputs: AnyIndex
    ptr: Tensor
    dst: Tensor
    code: AnyIndex
    src: AnyIndex
    reverse: AnyIndex
    edges: int
    """L, number of edges after the round."""


class Last(NamedTuple):
    """Where the last layer takes its rows from, in the same way."""

    own: AnyIndex
    inputs: AnyIndex
    ptr: Tensor
    dst: Tensor
    code: AnyIndex


class Saved(NamedTuple):
    """What the backward pass needs of a round."""

    f: Tensor
    """[n, D], states of nodes before it."""
    h: Tensor
    """[m, D], states of edges before it."""
    attention: Attended | None
    """None if it is computed again."""
    new: Tensor
    """[K, D], states of nodes after it."""
    message: Tensor
    """[L, D], states of edges after it."""


def rounds(
    f: Tensor,
    x: Tensor,
    indices: Sequence[Indices],
    last: Last,
    weights: Sequence[Tensor],
    heads: int,
    dtype: torch.dtype,
    recompute: bool = False,
    after: list[Tensor] | None = None,
) -> Tensor:
    """Return the states of nodes [N, d] after all rounds and the last layer.

    The graph allows one backward pass.

    Args:
        f: [U, d], inputs for the rows of the node table, of the dtype of products.
        x: [Ub, d], inputs for the rows of the bond table.
        indices: of each round.
        last: of the last layer.
        weights: weight [d, d] and bias [d] of query, key, value and output, then of the edges of
            each round, then weight [d, 3d] and bias [d] of the last layer; of any float dtype.
        heads: of the attention.
        dtype: of the result.
        recompute: whether the backward pass computes attention again, which needs less memory.
        after: the states of nodes after each round are appended to it; only without gradients.
    """
    columns = Columns.of(f.shape[1], heads)
    if torch.is_grad_enabled():
        return _Rounds.apply(  # type: ignore[no-any-return, no-untyped-call]
            f, x.to(f.dtype), indices, last, columns, dtype, recompute, *weights
        )
    layers, end = layers_of(weights, columns, f)
    f, h = tables = columns.pad(f, x.to(f.dtype))
    for r, i in enumerate(indices):
        f = nodes_of(attention_of(f, h, i, layers.round(r))[2], f, i, layers.round(r))
        h = edges_of(tables[1], f, h, i, layers.round(r))
        if after is not None:
            after.append(columns.strip(f))
    parts = end(0, sum_of_edges(h, last)), end(1, f), end(2, tables[0])
    return last_states(parts, last, dtype, columns)


class _Rounds(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        f: Tensor,
        x: Tensor,
        indices: Any,
        last: Last,
        columns: Columns,
        dtype: torch.dtype,
        recompute: bool,
        *weights: Tensor,
    ) -> Tensor:
        (layers, end), saved = layers_of(weights, columns, f), []
        f, h = tables = columns.pad(f, x)
        for r, i in enumerate(indices):
            found = attention_of(f, h, i, layers.round(r))
            new = nodes_of(found[2], f, i, layers.round(r))
            message = edges_of(tables[1], new, h, i, layers.round(r))
            saved.append(Saved(f, h, None if recompute else found, new, message))
            f, h = new, message
        incoming = sum_of_edges(h, last)
        ctx.saved, ctx.incoming, ctx.end, ctx.layers = saved, incoming, end, layers
        ctx.indices, ctx.last = indices, last
        ctx.dtypes = [weight.dtype for weight in weights]
        parts = end(0, incoming), end(1, f), end(2, tables[0])
        return last_states(parts, last, dtype, columns)

    @staticmethod
    @once_differentiable  # type: ignore[misc, no-untyped-call, untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        if not ctx.saved:
            raise RuntimeError("the rounds of a view allow one backward pass")
        to = Backward(ctx.layers, ctx.end, ctx.saved[0])
        to.last(ctx.last, ctx.saved[-1], vars(ctx).pop("incoming"), grads[0].contiguous())
        while ctx.saved:  # a round's states end with its gradients
            r = len(ctx.saved) - 1
            to.round(r, ctx.saved.pop(), ctx.indices[r])
        to_inputs = to.inputs()
        found = *to.grads.of_weights(), *to.of_end.of_weights()
        of_weights = (grad.to(dtype) for grad, dtype in zip(found, ctx.dtypes, strict=True))
        return *to_inputs, *[None] * 5, *of_weights


def attention_of(f: Tensor, h: Tensor, i: Indices, layers: Layers) -> Attended:
    """Return the attention of a round, before its last layer."""
    query, both = layers(f, QUERY, OUTPUT), layers(h, KEY, BACK)
    heads = layers.columns.heads, layers.columns.real
    return query, both, *attended(query, both, i.own[0], i.inputs[0], i.ptr, *heads)


def nodes_of(mixed: Tensor, f: Tensor, i: Indices, layers: Layers) -> Tensor:
    """Return the states of nodes after a round. [K, D]."""
    tables, own = (layers(mixed, OUTPUT, KEY), f), (None, i.own[0])
    return taken_sum(tables, own, len(mixed), f.dtype, ptr=i.ptr, one=layers.columns.real)


def edges_of(x: Tensor, new: Tensor, h: Tensor, i: Indices, layers: Layers) -> Tensor:
    """Return the states of edges after a round. [L, D]."""
    tables = x, layers(new, EDGE, QUERY), layers(h, BACK, END)
    indices = [index for index, _ in (i.code, i.src, i.reverse)]
    fixed: Any = {"signs": 0b100, "relu": True, "one": layers.columns.real}
    return taken_sum(tables, indices, i.edges, x.dtype, **fixed)


def sum_of_edges(h: Tensor, last: Last) -> Tensor:
    """Return the sum of the states of the edges that enter each node. [N, D]."""
    incoming = h.new_empty(len(last.ptr) - 1, h.shape[1])
    gather_sums(Job(h, incoming, last.inputs[0], last.ptr))
    return incoming


def last_states(
    parts: Sequence[Tensor], last: Last, dtype: torch.dtype, columns: Columns
) -> Tensor:
    """Return the states of nodes [N, d] from the results of the three parts of the last layer."""
    taken, size = (None, last.own[0], last.code[0]), len(last.ptr) - 1
    return taken_sum(parts, taken, size, dtype, ptr=last.ptr, strip=columns)


class Backward:
    """The backward pass.

    Args:
        layers: of all rounds.
        end: last layer.
        first: what the first round keeps.
    """

    def __init__(self, layers: AllLayers, end: LastLayer, first: Saved) -> None:
        self.layers, self.end, self.f, self.columns = layers, end, first.f, layers.columns
        self.count, self.d = len(layers.weight), layers.columns.size
        self.grads, self.of_end = layers.empty(), end.empty()
        # Rows of each round begin at an address that kernels expect.
        rows = -(-len(first.h) // 64) * 64
        self.to_x = first.h.new_empty(self.count, rows, self.d)[:, : len(first.h)]
        self.of_table = torch.empty_like(first.f)
        """[U, D], gradient of what the last layer makes of the node table."""
        self.to_new = self.to_message = self.of_nodes = first.f
        """Gradients of the states of nodes and edges after a round, and of what the layers return
        that read these nodes; the first of them lacks what comes through these layers."""

    def last(self, i: Last, saved: Saved, incoming: Tensor, grad: Tensor) -> None:
        """Go back through the last layer.

        Args:
            i: its indices.
            saved: what the last round keeps.
            incoming: [N, D], sums of edges.
            grad: [N, d], of the result.
        """
        of_edges, of_state = torch.empty_like(incoming), torch.empty_like(saved.new)
        gather_sums(
            job(grad, of_edges, None, mask=i.ptr, pad=self.columns),
            job(grad, of_state, i.own[1], mask=i.ptr, pad=self.columns),
            job(grad, self.of_table, i.code[1], mask=i.ptr, pad=self.columns),
        )
        self.of_end.write((of_edges, of_state, self.of_table), (incoming, saved.new, self.f))
        from_edges, from_state, _ = self.end.weight
        # The rows of the gradient of the states are those of the next one.
        self.to_new, self.of_nodes = of_state @ from_state, of_state
        of_edges = of_edges @ from_edges
        self.to_message = torch.empty_like(saved.message)
        gather_sums(job(of_edges, self.to_message, i.inputs[1], via=i.dst, limit=i.ptr[-1:]))

    def round(self, r: int, saved: Saved, i: Indices) -> None:
        """Go back through a round: from the gradients of the states after it to those before."""
        layers, grads, d = self.layers.round(r), self.grads.round(r), self.d
        of_edges = saved.h.new_empty(len(saved.h), 3 * d)
        self._messages(r, saved.message, i, of_edges[:, 2 * d :])
        to_new = self._nodes(layers, grads, saved.new)
        # What is not needed any more is freed as soon as possible.
        self.to_message, saved = self.f, saved._replace(message=self.f, new=self.f)
        of_output, self.to_new = torch.empty_like(to_new), torch.empty_like(saved.f)
        gather_sums(
            job(to_new, of_output, None, mask=i.ptr),
            job(to_new, self.to_new, i.own[1], mask=i.ptr),
        )
        del to_new
        self.of_nodes = saved.f.new_empty(len(saved.f), 2 * d if r else d)
        query, both, mixed, norm = saved.attention or attention_of(saved.f, saved.h, i, layers)
        grads.write(OUTPUT, KEY, of_output, mixed)
        attended_gradients(
            query, both, i.own, i.inputs, i.ptr, i.dst, self.columns.real, mixed, norm,
            of_output @ layers.part(OUTPUT, KEY), self.of_nodes[:, -d:], of_edges[:, : 2 * d],
        )  # fmt: skip
        grads.write(KEY, END, of_edges, saved.h)
        self.to_message = of_edges @ layers.part(KEY, END)

    def _messages(self, r: int, message: Tensor, i: Indices, of_back: Tensor) -> None:
        """Go back through the messages of edges."""
        gather_sums(
            job(self.to_message, self.to_x[r], i.code[1], gate=message),
            job(self.to_message, self.of_nodes[:, : self.d], i.src[1], gate=message),
            job(self.to_message, of_back, i.reverse[1], gate=message, sign=-1),
        )

    def _nodes(self, layers: Layers, grads: Layers, new: Tensor) -> Tensor:
        """Go back through the layers on nodes; return the whole gradient of their states."""
        end = self.of_nodes.shape[1] // self.d
        grads.write(EDGE, end, self.of_nodes, new)
        return self.to_new.addmm_(self.of_nodes, layers.part(EDGE, end))

    def inputs(self) -> tuple[Tensor, Tensor]:
        """Return the gradients of the inputs for the rows of both tables, after all rounds."""
        self.grads.round(self.count - 1).write(QUERY, OUTPUT, self.of_nodes, self.f)
        to_f = self.to_new.addmm_(self.of_nodes, self.layers.round(0).part(QUERY, OUTPUT))
        to_f = to_f.addmm_(self.of_table, self.end.weight[2])
        strip = self.columns.strip
        return strip(to_f), strip(self.to_x.sum(0).add_(self.to_message))
