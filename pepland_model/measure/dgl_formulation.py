"""PharmHGT in the published formulation: DGL sends messages, Python callbacks reduce them.

This is the baseline of the benchmarks and an independent reference in tests. Every row of every
view is computed. The first layers run on feature rows. `multi_update_all` calls user-defined
functions once for each in-degree, and these compute queries, keys and values. The junction view is
computed even if no output needs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.layers import MessagePassing
from pepland_model.network.output import PharmHGTOutput
from pepland_model.network.pharmhgt import PharmHGT

ATOM, FRAGMENT = ("a", "b", "a"), ("p", "r", "p")
TO_FRAGMENT, TO_ATOM = ("a", "j", "p"), ("p", "j", "a")
Reduce = Callable[[Any], dict[str, Tensor]]


class DGLPharmHGT(nn.Module):
    """The network on the graph of `HeteroBatch.to_dgl`, with the parameters of `PharmHGT`.

    Args:
        config: as of `PharmHGT`; ``dedup`` has no effect.
        live_only: omit the junction view if no output needs it; the published code does not.
    """

    def __init__(self, config: PharmHGTConfig | None = None, live_only: bool = False) -> None:
        super().__init__()
        model = PharmHGT(config)
        self.config, self.live_only = model.config, live_only
        self.w_atom, self.w_bond, self.w_pharm = model.w_atom, model.w_bond, model.w_pharm
        self.w_reac, self.w_junc = model.w_reac, model.w_junc
        self.mp: MessagePassing = model.mp

    def forward(self, graph: Any) -> PharmHGTOutput:
        """Return the states of every atom and fragment.

        Args:
            graph: DGL heterograph; its node and edge data do not change.
        """
        with graph.local_scope():
            self._inputs(graph)
            for i in range(self.config.depth - 1):
                self._round(graph, i)
            return self._outputs(graph)

    @property
    def _junction(self) -> bool:
        return self.config.junction or not self.live_only

    def _inputs(self, graph: Any) -> None:
        atoms, fragments = graph.nodes["a"].data, graph.nodes["p"].data
        atoms["in"] = atoms["h"] = relu(self.w_atom(atoms["f"]))
        fragments["in"] = fragments["h"] = relu(self.w_pharm(fragments["f"]))
        for etype, layer in ((ATOM, self.w_bond), (FRAGMENT, self.w_reac)):
            edges = graph.edges[etype].data
            edges["in"] = edges["h"] = relu(layer(edges["x"]))
        if self._junction:
            for nodes in (atoms, fragments):
                nodes["j"] = relu(self.w_junc(nodes["f_junc"]))

    def _round(self, graph: Any, i: int) -> None:
        views = {ATOM: "aba", FRAGMENT: "prp"}
        update(graph, {etype: (edge_state, self._attend(view)) for etype, view in views.items()})
        if self._junction:
            for etype, view in ((TO_FRAGMENT, "ajp"), (TO_ATOM, "pja")):
                update(graph, {etype: (source_junction, self._attend(view, "j"))}, "j")
        for etype, view in views.items():
            layer = cast(nn.ModuleList, self.mp.mp_list[view])[i]
            graph.apply_edges(difference, etype=etype)
            edges = graph.edges[etype].data
            edges["h"] = relu(edges["in"] + layer(edges.pop("d")))

    def _attend(self, view: str, state: str = "h") -> Reduce:
        """Return the attention of a view as a function that reduces messages."""
        q, k, v, out = cast(Any, self.mp.attn[view]).linears
        heads = self.config.heads

        def reduce(nodes: Any) -> dict[str, Tensor]:
            mail, own = nodes.mailbox["m"], nodes.data[state]
            query = q(own).unflatten(-1, (heads, -1)).unsqueeze(1)
            key, value = (layer(mail).unflatten(-1, (heads, -1)) for layer in (k, v))
            score = (query * key).sum(-1) / math.sqrt(query.shape[-1])
            mixed = (score.softmax(1).unsqueeze(-1) * value).sum(1).flatten(1)
            return {"new": out(mixed) + own}

        return reduce

    def _outputs(self, graph: Any) -> PharmHGTOutput:
        last = self.mp.node_last_layer
        update(graph, dict.fromkeys((ATOM, FRAGMENT), (edge_state, total)), "sum")
        found = []
        for etype, name in ((ATOM, "a"), (FRAGMENT, "p")):
            nodes = graph.nodes[etype[0]].data
            out = last[name](torch.cat([nodes["sum"], nodes["h"], nodes["in"]], 1))
            found.append(out * (graph.in_degrees(etype=etype) > 0).unsqueeze(1))
        if not self._junction:
            return PharmHGTOutput(found[0], found[1], None, None, self.config.output)
        for etype in (TO_FRAGMENT, TO_ATOM):
            update(graph, {etype: (source_junction, total)}, "sum")
            nodes = graph.nodes[etype[2]].data
            nodes["j"] = last["junc"](torch.cat([nodes["sum"], nodes["j"], nodes["in"]], 1))
        if not self.config.junction:  # computed and dropped, as the published code does
            return PharmHGTOutput(found[0], found[1], None, None, self.config.output)
        j_a, j_p = (graph.nodes[ntype].data["j"] for ntype in ("a", "p"))
        return PharmHGTOutput(found[0], found[1], j_a, j_p, self.config.output)


def update(graph: Any, functions: dict[Any, tuple[Any, Reduce]], field: str = "h") -> None:
    """Send and reduce along edge types into a field; a node without incoming edge gets zero."""
    ends = {etype[2] for etype in functions}
    for ntype in ends:
        nodes = graph.nodes[ntype].data
        nodes["new"] = torch.zeros_like(nodes["in"])
    present = {etype: pair for etype, pair in functions.items() if graph.num_edges(etype)}
    if present:
        graph.multi_update_all(present, "sum")
    for ntype in ends:
        nodes = graph.nodes[ntype].data
        nodes[field] = nodes.pop("new")


def edge_state(edges: Any) -> dict[str, Tensor]:
    """Send the state of the edge."""
    return {"m": edges.data["h"]}


def source_junction(edges: Any) -> dict[str, Tensor]:
    """Send the state of the source in the junction view."""
    return {"m": edges.src["j"]}


def total(nodes: Any) -> dict[str, Tensor]:
    """Sum the messages."""
    return {"new": nodes.mailbox["m"].sum(1)}


def difference(edges: Any) -> dict[str, Tensor]:
    """Return source state minus the state of the reverse edge, which is adjacent in the list."""
    h = edges.data["h"]
    return {"d": edges.src["h"] - h.view(len(h) // 2, 2, h.shape[1]).flip(1).flatten(0, 1)}
