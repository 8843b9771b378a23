"""All rounds of message passing as one function of autograd.

A state has several consumers, and a weight several uses. Autograd computes a gradient for each, and
adds them one by one. Here layers with the same input have their gradients side by side, so one
product does the adding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pepland_model.network.kernels.attention import attended, attended_gradients
from pepland_model.network.kernels.gather_sum import gather_sums
from pepland_model.network.kernels.jobs import job
from pepland_model.network.kernels.round_layers import (
    BACK,
    EDGE,
    END,
    KEY,
    OUTPUT,
    QUERY,
    AllLayers,
    Layers,
)
from pepland_model.network.kernels.taken_sum import taken_sum

if TYPE_CHECKING:
    from pepland_model.network.takers import AnyIndex

Attended = tuple[Tensor, Tensor, Tensor, Tensor]
"""Query [n, d], keys and values [m, 2d], result [K, d] and norm [K, heads]."""


class Indices(NamedTuple):
    """Where a round takes its rows from, as in `states.plan`; each index with its takers."""

    own: AnyIndex
    inputs: AnyIndex
    ptr: Tensor
    dst: Tensor
    code: AnyIndex
    src: AnyIndex
    reverse: AnyIndex


class Saved(NamedTuple):
    """What the backward pass needs of a round."""

    f: Tensor
    """[n, d], states of nodes before it."""
    h: Tensor
    """[m, d], states of edges before it."""
    attention: Attended | None
    """None if it is computed again."""
    new: Tensor
    """[K, d], states of nodes after it."""
    message: Tensor
    """[L, d], states of edges after it."""


def rounds(
    f: Tensor,
    x: Tensor,
    indices: Sequence[Indices],
    weights: Sequence[Tensor],
    heads: int,
    recompute: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the states of nodes [K, d] and of edges [L, d] after all rounds, in the dtype of f.

    The graph allows one backward pass.

    Args:
        f: [U, d], inputs for the rows of the node table.
        x: [Ub, d], inputs for the rows of the bond table.
        indices: of each round.
        weights: weight [d, d] and bias [d] of query, key, value and output, and then of the edges
            of each round, of any float dtype.
        heads: of the attention.
        recompute: whether the backward pass computes attention again, which needs less memory.
    """
    return _Rounds.apply(  # type: ignore[no-any-return, no-untyped-call]
        f, x.to(f.dtype), indices, heads, recompute, *weights
    )


class _Rounds(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, f: Tensor, x: Tensor, indices: Any, heads: int, recompute: bool, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        layers, saved = AllLayers.of(weights, f), []
        f = f.contiguous()
        x = h = x.contiguous()
        for r, i in enumerate(indices):
            found = attention_of(f, h, i, layers.round(r), heads)
            new = nodes_of(found[2], f, i, layers.round(r))
            message = edges_of(x, new, h, i, layers.round(r))
            saved.append(Saved(f, h, None if recompute else found, new, message))
            f, h = new, message
        # An output that is kept in another way would keep itself.
        ctx.save_for_backward(saved[-1].new, saved[-1].message)
        saved[-1] = saved[-1]._replace(new=x, message=x)
        ctx.saved, ctx.indices, ctx.layers, ctx.heads = saved, indices, layers, heads
        ctx.dtypes = [weight.dtype for weight in weights]
        return f, h

    @staticmethod
    @once_differentiable  # type: ignore[misc, no-untyped-call, untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        saved, (new, message) = ctx.saved, ctx.saved_tensors
        saved[-1] = saved[-1]._replace(new=new, message=message)
        del new, message
        to = Backward(ctx.layers, saved[0].h, ctx.heads, *(grad.contiguous() for grad in grads))
        for r in reversed(range(len(saved))):
            f = saved[r].f
            to.round(r, saved.pop(), ctx.indices[r])  # a round's states end with its gradients
        to_f, to_x = to.inputs(f)
        of_weights = zip(to.grads.of_weights(), ctx.dtypes, strict=True)
        return to_f, to_x, None, None, None, *(grad.to(dtype) for grad, dtype in of_weights)


def attention_of(f: Tensor, h: Tensor, i: Indices, layers: Layers, heads: int) -> Attended:
    """Return the attention of a round, before its last layer."""
    query, both = layers(f, QUERY, OUTPUT), layers(h, KEY, BACK)
    return query, both, *attended(query, both, i.own[0], i.inputs[0], i.ptr, heads)


def nodes_of(mixed: Tensor, f: Tensor, i: Indices, layers: Layers) -> Tensor:
    """Return the states of nodes after a round. [K, d]."""
    tables = layers(mixed, OUTPUT, KEY), f
    return taken_sum(tables, (None, i.own[0]), len(mixed), f.dtype, ptr=i.ptr)


def edges_of(x: Tensor, new: Tensor, h: Tensor, i: Indices, layers: Layers) -> Tensor:
    """Return the states of edges after a round. [L, d]."""
    tables = x, layers(new, EDGE, QUERY), layers(h, BACK, END)
    indices = [index for index, _ in (i.code, i.src, i.reverse)]
    return taken_sum(tables, indices, len(i.src[0]), x.dtype, signs=0b100, relu=True)


class Backward:
    """The backward pass.

    Args:
        layers: of all rounds.
        x: [Ub, d], inputs for the rows of the bond table.
        heads: of the attention.
        to_new: [K, d], gradient of the states of nodes after the last round.
        to_message: [L, d], the same for edges.
    """

    def __init__(
        self, layers: AllLayers, x: Tensor, heads: int, to_new: Tensor, to_message: Tensor
    ) -> None:
        self.layers, self.heads, self.to_new, self.to_message = layers, heads, to_new, to_message
        count, self.d = len(layers.weight), x.shape[1]
        self.grads = AllLayers.empty(count, self.d, x)
        self.last = count - 1
        # Rows of each round begin at an address that kernels expect.
        self.to_x = x.new_empty(count, -(-len(x) // 64) * 64, self.d)[:, : len(x)]
        self.of_nodes = torch.empty_like(to_new)
        """Gradients of what the layers on `new` return; no query follows the last round."""

    def round(self, r: int, saved: Saved, i: Indices) -> None:
        """Go back through a round: from the gradients of the states after it to those before."""
        layers, grads, d = self.layers.round(r), self.grads.round(r), self.d
        of_edges = saved.h.new_empty(len(saved.h), 3 * d)
        self._messages(r, saved.message, i, of_edges[:, 2 * d :])
        after, _ = layers.part(EDGE, self.of_nodes.shape[1] // d)
        grads.write(EDGE, self.of_nodes.shape[1] // d, self.of_nodes, saved.new)
        # The gradient of an output belongs to the caller.
        add = torch.addmm if r == self.last else Tensor.addmm_
        to_new = add(self.to_new, self.of_nodes, after)
        of_output, self.to_new = torch.empty_like(to_new), torch.empty_like(saved.f)
        gather_sums(
            job(to_new, of_output, None, mask=i.ptr),
            job(to_new, self.to_new, i.own[1], mask=i.ptr),
        )
        self.of_nodes = saved.f.new_empty(len(saved.f), 2 * d if r else d)
        query, both, mixed, norm = saved.attention or attention_of(
            saved.f, saved.h, i, layers, self.heads
        )
        attended_gradients(
            query, both, i.own, i.inputs, i.ptr, i.dst, mixed, norm,
            of_output @ layers.part(OUTPUT, KEY)[0], self.of_nodes[:, -d:], of_edges[:, : 2 * d],
        )  # fmt: skip
        grads.write(OUTPUT, KEY, of_output, mixed)
        grads.write(KEY, END, of_edges, saved.h)
        self.to_message = of_edges @ layers.part(KEY, END)[0]

    def _messages(self, r: int, message: Tensor, i: Indices, of_back: Tensor) -> None:
        """Go back through the messages of edges."""
        gather_sums(
            job(self.to_message, self.to_x[r], i.code[1], gate=message),
            job(self.to_message, self.of_nodes[:, : self.d], i.src[1], gate=message),
            job(self.to_message, of_back, i.reverse[1], gate=message, sign=-1),
        )

    def inputs(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of the inputs for the rows of both tables, after all rounds."""
        self.grads.round(self.last).write(QUERY, OUTPUT, self.of_nodes, f)
        query, _ = self.layers.round(0).part(QUERY, OUTPUT)
        return self.to_new.addmm_(self.of_nodes, query), self.to_x.sum(0).add_(self.to_message)
