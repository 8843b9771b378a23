"""Message passing among the atoms, or among the fragments, of a batch.

Every round updates nodes and then edges; the last layer then updates nodes. A node that no edge
enters has state 0.

    f_h = attention(f_h, h of the incoming edges) + f_h
    h   = relu(x + L (f_h[source] - h[reverse]))
    out = W [sum of h of the incoming edges | f_h | f]

The functions compute the rows that a `ViewPlan` names. A row takes its inputs from other rows by
their numbers, so equal states can be computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.network import takers
from pepland_model.network.attention import Attention, product_dtype
from pepland_model.network.edges import Edges, view_edges
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.layers import PharmHGTLayers
from pepland_model.network.output import Round
from pepland_model.network.segments import segment_sum, take
from pepland_model.network.states.kept_states import KeptStates
from pepland_model.network.states.plan import EdgeLevel, NodeLevel, ViewPlan
from pepland_model.network.takers import AnyIndex, whole


@dataclass(frozen=True)
class View:
    """Where a view finds its layers in `PharmHGTLayers`, and its arrays in a batch."""

    attention: str
    """Attention, and layers L of the edges."""
    last: str
    """Last layer W."""
    node_layer: str
    """First layer of the nodes."""
    edge_layer: str
    """First layer of the edges."""
    nodes: str
    """Prefix of the nodes' codes and of their table."""
    edges: str
    """Prefix of the arrays of the edges."""

    def codes(self, batch: HeteroBatch) -> Tensor:
        """Return the feature row of each node. [N] int."""
        return cast(Tensor, getattr(batch, f"{self.nodes}_code"))

    def directed_edges(self, batch: HeteroBatch) -> Edges:
        """Return the edges between the nodes of a batch, in both directions."""
        return view_edges(batch, self.edges, len(self.codes(batch)))

    def weights(self, layers: PharmHGTLayers) -> list[Tensor]:
        """Return all parameters that the states depend on."""
        mp = layers.mp
        used = (
            getattr(layers, self.node_layer), getattr(layers, self.edge_layer),
            mp.attn[self.attention], mp.mp_list[self.attention], mp.node_last_layer[self.last],
        )  # fmt: skip
        return [p for layer in used for p in layer.parameters()]


ATOMS = View("aba", "a", "w_atom", "w_bond", "atom", "bond")
FRAGMENTS = View("prp", "p", "w_pharm", "w_reac", "fragment", "reaction")


def view_states(
    layers: PharmHGTLayers,
    view: View,
    f: Tensor,
    x: Tensor,
    plan: ViewPlan,
    rows: Tensor | None,
    kept: KeptStates | None = None,
    passed: list[Round] | None = None,
) -> Tensor:
    """Return the states of nodes after all rounds and the last layer.

    Args:
        layers: of the network.
        view: which of its layers.
        f: [U, d], inputs for the rows of the node table.
        x: [Ub, d], inputs for the rows of the bond table.
        plan: rows of each round.
        rows: [K] int64, nodes to return; None means all.
        kept: states of earlier batches; the rows of the plan are appended to them.
        passed: the states of all nodes after each round are appended to it, if it is given.
    """
    attend = cast(Attention, layers.mp.attn[view.attention])
    rounds = cast(nn.ModuleList, layers.mp.mp_list[view.attention])
    last = cast(nn.Linear, layers.mp.node_last_layer[view.last])
    after: list[Tensor] = []
    if kernels.runs_on(f.device) and (passed is None or not torch.is_grad_enabled()):
        out = rounds_by_kernel(attend, rounds, last, f, x, plan, None if passed is None else after)
        if passed is not None:
            passed += rounds_of(after, [level.own for level in plan.nodes[1:]], plan.rows)
        return take(out, *chosen(plan.index("rows"), rows))
    f_h, h = f, x
    for i, layer in enumerate(rounds):
        f_h = node_states(attend, f_h, h, plan.nodes[i], last.weight.dtype, kept)
        f_h = f_h if kept is None else kept.add("nodes", i, f_h)
        h = edge_states(cast(nn.Linear, layer), f_h, h, x, plan.edges[i], kept)
        h = h if kept is None else kept.add("edges", i, h)
        if passed is not None:
            after.append(f_h)
    owns = [level.own for level in plan.nodes[1:]]
    if kept is not None:
        owns = [kept.add_own(i, own) for i, own in enumerate(owns)]
    if passed is not None:
        passed += rounds_of(after, owns, plan.rows)
    level, row_of_node = plan.nodes[-1], plan.rows
    if row_of_node is None:
        return last_states(last, f_h, h, f, level, rows)
    if kept is None and rows is not None and rows.device.type not in takers.DEVICES:
        used, place = torch.unique(row_of_node[rows], return_inverse=True)
        return take(last_states(last, f_h, h, f, level, used), place)
    out = last_states(last, f_h, h, f, level, None)
    out = out if kept is None else kept.add("nodes", len(plan.edges), out)
    return take(out, *chosen(plan.index("rows"), rows))


def rounds_by_kernel(
    attend: Attention,
    layers: nn.ModuleList,
    last: nn.Linear,
    f: Tensor,
    x: Tensor,
    plan: ViewPlan,
    after: list[Tensor] | None,
) -> Tensor:
    """Return the states of all rows of the last level; those after each round go to `after`."""
    from pepland_model.network.kernels.rounds import Indices, Last, rounds

    indices, nodes, edges = [], len(f), len(x)
    for level, link in zip(plan.nodes[:-1], plan.edges, strict=True):
        own, inputs = whole(level.index("own"), nodes), whole(level.index("inputs"), edges)
        nodes, before, edges = len(level.code), edges, len(link.code)
        code, src = whole(link.index("code"), len(x)), whole(link.index("src"), nodes)
        reverse = whole(link.index("reverse"), before)
        indices.append(Indices(own, inputs, level.ptr, level.dst, code, src, reverse, edges))
    level = plan.nodes[-1]
    own, inputs = whole(level.index("own"), nodes), whole(level.index("inputs"), edges)
    code = whole(level.index("code"), len(f))
    end = Last(own, inputs, level.ptr, level.dst, code)
    weights = [p for layer in (*attend.linears, *layers, last) for p in layer.parameters()]
    f, dtype = f.to(product_dtype(last.weight)), last.weight.dtype
    return rounds(f, x, indices, end, weights, attend.heads, dtype, attend.recomputes, after)


def rounds_of(
    after: Sequence[Tensor], owns: Sequence[Tensor | None], rows: Tensor | None
) -> list[Round]:
    """Return the states after each round, and which of them each node has.

    Args:
        after: [S, d] states after each round, first round first.
        owns: [K] int64, for the rows of each level but the first: their rows at the level below;
            None where row k has row k.
        rows: [N] int64, row of the last level for each node; None where node v has row v.
    """
    found = []
    for states, own in zip(reversed(after), reversed(owns), strict=True):
        rows = own if rows is None else rows if own is None else own.index_select(0, rows)
        found.append(Round(states, rows))
    return found[::-1]


def node_states(
    attend: Attention,
    f_h: Tensor,
    h: Tensor,
    level: NodeLevel,
    dtype: torch.dtype,
    kept: KeptStates | None,
) -> Tensor:
    """Return attention(f_h, h) + f_h for the nodes of a level. [K, d]."""
    f_h, own = used_rows(f_h, level.index("own"), kept)
    h, inputs = used_rows(h, level.index("inputs"), kept)
    attended = attend(f_h, h, own, inputs, level.ptr, level.index("dst"))
    out: Tensor = (attended + take(f_h, *own)) * has_inputs(level, dtype)
    return out


def edge_states(
    layer: nn.Linear, f_h: Tensor, h: Tensor, x: Tensor, level: EdgeLevel, kept: KeptStates | None
) -> Tensor:
    """Return relu(x + L (f_h[source] - h[reverse])) for the edges of a level. [L, d]."""
    code = level.index("code")
    f_h, src = used_rows(f_h, level.index("src"), kept)
    h, reverse = used_rows(h, level.index("reverse"), kept)
    own = take(x, *code)
    # Where states are fewer than edges, map them first: L (a - b) = L a - L b.
    if len(f_h) + len(h) >= len(level.src):
        passed = layer(take(f_h, *src) - take(h, *reverse))
    else:
        mapped = linear(h, layer.weight)
        passed = take(layer(f_h), *src) - take(mapped, *reverse)
    return relu(own + passed)


def last_states(
    last: nn.Linear, f_h: Tensor, h: Tensor, f: Tensor, level: NodeLevel, rows: Tensor | None
) -> Tensor:
    """Return W [sum of h | f_h | f] for the chosen rows of the last level; None means all.

    W is applied to each of the three parts: to f on the rows of the table.
    """
    from_edges, from_state, from_input = torch.split(last.weight, len(last.weight), 1)
    incoming = segment_sum(take(h, *level.index("inputs")), level.ptr, *level.index("dst"))
    incoming, connected = incoming.to(last.weight.dtype), has_inputs(level, last.weight.dtype)
    own, code = (chosen(level.index(name), rows) for name in ("own", "code"))
    if rows is not None:
        incoming, connected = take(incoming, rows), connected.index_select(0, rows)
    table = linear(f, from_input, last.bias)
    summed = linear(incoming, from_edges)
    if own[0] is None or len(f_h) < len(own[0]):
        state = take(linear(f_h, from_state), *own)
    else:
        state = linear(take(f_h, *own), from_state)
    return (summed + state + take(table, *code)) * connected


def used_rows(states: Tensor, index: AnyIndex, kept: KeptStates | None) -> tuple[Tensor, AnyIndex]:
    """Return the rows that an index names, each once, and the index into these rows.

    Few of the states kept from earlier batches are named. Without kept states nearly all are named,
    so states and index stay as they are.
    """
    if kept is None or index[0] is None:
        return states, index
    distinct, place = torch.unique(index[0], return_inverse=True)
    return states.index_select(0, distinct), (place, None)


def has_inputs(level: NodeLevel, dtype: torch.dtype) -> Tensor:
    """Return 1 for rows that an edge enters, else 0. [K, 1] of the dtype."""
    return (level.ptr.diff() > 0).to(dtype).unsqueeze(1)


def chosen(index: AnyIndex, rows: Tensor | None) -> AnyIndex:
    """Return the entries of an index at some rows; None means all, in order."""
    if rows is None:
        return index
    return rows if index[0] is None else index[0].index_select(0, rows), None
