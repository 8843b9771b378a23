"""PharmHGT: message passing over atoms, over fragments, and across the junction between them.

Legend of names and shapes: N nodes (A atoms or P fragments), E directed edges, d hidden width.
f [N, d] input of a node, f_h its state; x [E, d] input of an edge, h its state; j, j_h the same
in the junction view. Parameters carry the published names: a published state dict fits as it is.
`network.plain_pharmhgt` is the reference. This module computes the rows that a plan names: rows of
the feature tables first, then each distinct state (`states.distinct`) or every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.graph.feature_tables import ATOM_WIDTH, BOND_WIDTH, FRAGMENT_WIDTH
from pepland_model.network.attention import Attention
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.indexed_rows import chosen, linear_of_taken, message, named
from pepland_model.network.model_files import (
    CONFIG,
    MODEL,
    check_names,
    read_config,
    read_weights,
    save_model,
)
from pepland_model.network.published_names import encoder_weights
from pepland_model.network.segments import segment_sum, take
from pepland_model.network.states.batch_plan import Plan, view_edges
from pepland_model.network.states.distinct import distinct_plan
from pepland_model.network.states.junction import JunctionPlan, distinct_junction, plain_junction
from pepland_model.network.states.kept_states import StateCache, ViewCache
from pepland_model.network.states.plan import NodeLevel, ViewPlan, plain_plan


@dataclass(frozen=True, eq=False)
class PharmHGTOutput:
    """The four states of a batch; the embedding is what `PharmHGTConfig.output` makes of them."""

    atom: Tensor
    """[A, d], f_h of the atoms."""
    fragment: Tensor
    """[P, d], f_h of the fragments."""
    atom_junction: Tensor | None
    """[A, d], j_h of the atoms; None with output ``homo``."""
    fragment_junction: Tensor | None
    """[P, d], j_h of the fragments; None with output ``homo``."""
    output: str
    """``homo``, ``checkpoint`` or ``fused``."""

    @property
    def atom_embedding(self) -> Tensor:
        """[A, d]: f_h, or the mean of f_h and j_h."""
        return self.atom if self.atom_junction is None else (self.atom + self.atom_junction) / 2

    @property
    def fragment_embedding(self) -> Tensor:
        """[P, d]: f_h, or with output ``fused`` the mean of f_h and j_h."""
        if self.output != "fused" or self.fragment_junction is None:
            return self.fragment
        return (self.fragment + self.fragment_junction) / 2


class MessagePassing(nn.Module):
    """The parameters of all rounds, under their published names."""

    def __init__(self, config: PharmHGTConfig) -> None:
        super().__init__()
        d, rounds = config.hidden, config.depth - 1
        self.attn = nn.ModuleDict({k: Attention(d, config.heads) for k in VIEWS})
        self.mp_list = nn.ModuleDict(
            {k: nn.ModuleList(nn.Linear(d, d) for _ in range(rounds)) for k in ("aba", "prp")}
        )
        self.node_last_layer = nn.ModuleDict({k: nn.Linear(3 * d, d) for k in ("a", "p", "junc")})


PAYS = 0.9
"""Largest share of distinct rows at which the search saves time: a training step takes 0.187 GFLOP
per peptide with 0.9, and 0.200 with 0.5 (docs/performance.md)."""
VIEWS = ("aba", "prp", "ajp", "pja")
KEPT = {"aba": ("atom", "a", "atom", "bond", "bond"),
        "prp": ("fragment", "p", "pharm", "reac", "reaction")}  # fmt: skip
"""View -> its nodes, last layer, first layers of nodes and edges, and edges in a batch."""


class PharmHGT(nn.Module):
    """The network of PepLand with its three outputs.

    Example:
        >>> import pepland_data
        >>> batch = pepland_data.HeteroBatch.from_graphs([pepland_data.featurize("NCC(=O)O")])
        >>> PharmHGT(PharmHGTConfig())(batch).atom.shape
        torch.Size([5, 300])
    """

    def __init__(self, config: PharmHGTConfig | None = None) -> None:
        super().__init__()
        self.config = config or PharmHGTConfig()
        d = self.config.hidden
        self.w_atom = nn.Linear(ATOM_WIDTH, d)
        self.w_bond = nn.Linear(BOND_WIDTH, d)
        self.w_pharm = nn.Linear(FRAGMENT_WIDTH, d)
        self.w_reac = nn.Linear(BOND_WIDTH, d)
        self.w_junc = nn.Linear(ATOM_WIDTH + FRAGMENT_WIDTH, d)
        self.mp = MessagePassing(self.config)
        self.cache = StateCache()
        if not self.config.junction:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(not is_junction(name))

    def plan(self, batch: HeteroBatch, atoms: bool = True, fragments: bool = True) -> Plan:
        """Return which rows each view computes; a loader's thread may call this ahead of a step.

        Args:
            batch: masked already. The search for distinct states reads its codes on the CPU. With
                ``dedup`` "auto", the plan of a batch on another device has every row and is made
                there without a wait.
            atoms: plan the atom view.
            fragments: plan the fragment view.
        """
        search = self.config.dedup is True or (self.config.dedup == "auto" and on_cpu(batch))
        source = batch.to("cpu") if search and not on_cpu(batch) else batch
        share = 1.0 if self.config.dedup is True else PAYS
        rounds = self.config.depth - 1

        def view(prefix: str, code: Tensor) -> ViewPlan:
            edges = view_edges(source, prefix, len(code))
            if search:
                return distinct_plan(code, edges, rounds, share)
            return plain_plan(code, edges, rounds)

        kept = search and self._keeping(batch)
        of_atoms = view("bond", source.atom_code) if atoms and not kept else None
        of_fragments = None
        if fragments and not kept:
            of_fragments = view("reaction", source.fragment_code)
        junction = None
        if self.config.junction:
            build = distinct_junction if search else plain_junction
            junction = build(source.atom_code, source.atom_fragment, source.fragment_code)
        plan = Plan(of_atoms, of_fragments, junction)
        return plan if source is batch else plan.to(batch.device)

    def forward(
        self,
        batch: HeteroBatch,
        atom_rows: Tensor | None = None,
        fragment_rows: Tensor | None = None,
        plan: Plan | None = None,
    ) -> PharmHGTOutput:
        """Return the states of every atom and fragment of a batch.

        Args:
            batch: on the device of the parameters.
            atom_rows: [K] int64, wanted atoms in the wanted order; None means all. The last layer
                runs on these only, and the view is not computed if K is 0.
            fragment_rows: [L] int64, the same for fragments.
            plan: the plan of this batch, if it was made ahead by `plan`.
        """
        atoms, fragments = (rows is None or len(rows) > 0 for rows in (atom_rows, fragment_rows))
        plan = plan or self.plan(batch, atoms, fragments)
        wanted = ((atoms, plan.atoms), (fragments, plan.fragments))
        if not self._keeping(batch) and any(here and view is None for here, view in wanted):
            raise InputError("the plan lacks a wanted view; make it in the mode it is used in")
        atom_x, fragment_x, bond_x = self._rows_of_tables(batch)
        f_a, f_p = relu(self.w_atom(atom_x)), relu(self.w_pharm(fragment_x))
        x_b, x_r = relu(self.w_bond(bond_x)), relu(self.w_reac(bond_x))
        atom, fragment = f_a[:0], f_p[:0]
        if atoms and plan.atoms is None:
            atom = self._kept("aba", f_a, x_b, batch, atom_rows)
        elif atoms and plan.atoms is not None:
            atom = self._view("aba", "a", f_a, x_b, plan.atoms, atom_rows)
        if fragments and plan.fragments is None:
            fragment = self._kept("prp", f_p, x_r, batch, fragment_rows)
        elif fragments and plan.fragments is not None:
            fragment = self._view("prp", "p", f_p, x_r, plan.fragments, fragment_rows)
        if plan.junction is None:
            return PharmHGTOutput(atom, fragment, None, None, self.config.output)
        j_a, j_p = self._junction(batch, plan.junction, f_a, f_p)
        j_a = take(j_a, chosen(plan.junction.atom_rows, atom_rows))
        j_p = take(j_p, chosen(plan.junction.fragment_rows, fragment_rows))
        return PharmHGTOutput(atom, fragment, j_a, j_p, self.config.output)

    def _rows_of_tables(self, batch: HeteroBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the atom, fragment and bond table in the precision of the weights."""
        t, kind = batch.tables, self.w_atom.weight.dtype
        return t.atom_x.to(kind), t.fragment_x.to(kind), t.bond_x.to(kind)

    def _keeping(self, batch: HeteroBatch) -> bool:
        inference = not torch.is_grad_enabled() and not self.training
        return self.config.keep_states and inference and on_cpu(batch)

    def _kept(
        self, view: str, f: Tensor, x: Tensor, batch: HeteroBatch, wanted: Tensor | None
    ) -> Tensor:
        """Compute the states of a view that are not kept yet, and look all of them up.

        Arguments are those of `_view`.
        """
        name, last, node, edge, links = KEPT[view]
        code = getattr(batch, f"{name}_code")
        table, rounds = getattr(batch.tables, f"{name}_x"), self.config.depth - 1
        edges = view_edges(batch, links, len(code))
        with self.cache.held() as free:
            if not free:  # another thread is at it
                plan = distinct_plan(code, edges, rounds, PAYS)
                return self._view(view, last, f, x, plan, wanted)
            weights = self.view_weights(view, last, node, edge)
            cache = self.cache.view(f"{name}s", weights, [table, batch.tables.bond_x], rounds)
            plan = distinct_plan(code, edges, rounds, 1.0, cache.levels)
            if plan.rows is None:
                self.cache.forget(f"{name}s")
                return self._view(view, last, f, x, plan, wanted)
            return self._view(view, last, f, x, plan, wanted, cache)

    def view_weights(self, view: str, last: str, node: str, edge: str) -> list[Tensor]:
        """Return all parameters of one view's states."""
        w_node, w_edge = getattr(self, f"w_{node}"), getattr(self, f"w_{edge}")
        mp = self.mp
        owners = (w_node, w_edge, mp.attn[view], mp.mp_list[view], mp.node_last_layer[last])
        return [p for owner in owners for p in owner.parameters()]

    def _view(
        self,
        view: str,
        last: str,
        f: Tensor,
        x: Tensor,
        plan: ViewPlan,
        wanted: Tensor | None,
        cache: ViewCache | None = None,
    ) -> Tensor:
        """Message passing among nodes of one kind; zero where no edge enters.

        Args:
            view: attention and edge layers.
            last: last layer.
            f: [U, d], inputs of the rows of the node table.
            x: [Ub, d], inputs of the rows of the bond table.
            plan: rows of each round.
            wanted: [K] int64, nodes to return; None means all.
            cache: states of earlier batches; the rows of the plan follow them.
        """
        attend, layers = self.mp.attn[view], cast(nn.ModuleList, self.mp.mp_list[view])
        n, h, kind = f, x, self.w_atom.weight.dtype
        for i, layer in enumerate(layers):
            node, edge = plan.nodes[i], plan.edges[i]
            # Of the kept states, only those that new states need are used.
            (n_in, own), (h_in, inputs) = named(n, node.own, cache), named(h, node.inputs, cache)
            mixed = attend(n_in, h_in, own, inputs, node.ptr, node.dst)
            n = (mixed + take(n_in, own)) * connected(node, kind)
            n = n if cache is None else cache.grow("nodes", i, n)
            (n_in, src), (h_in, back) = named(n, edge.src, cache), named(h, edge.reverse, cache)
            h = relu(take(x, edge.code) + message(layer, n_in, h_in, src, back))
            h = h if cache is None else cache.grow("edges", i, h)
        level, rows_of = plan.nodes[-1], plan.rows
        if rows_of is None:
            out = self._last(last, level, n, h, f, wanted)
            return out
        if cache is None and wanted is not None and wanted.device.type == "cpu":
            used, back = torch.unique(rows_of[wanted], return_inverse=True)
            return take(self._last(last, level, n, h, f, used), back)
        out = self._last(last, level, n, h, f, None)
        out = out if cache is None else cache.grow("nodes", len(layers), out)
        return take(out, chosen(rows_of, wanted))

    def _last(
        self,
        name: str,
        level: NodeLevel,
        n: Tensor,
        h: Tensor,
        f: Tensor,
        wanted: Tensor | None,
    ) -> Tensor:
        """Return W [sum of incoming | own state | input]; the input's share on the table."""
        layer = cast(nn.Linear, self.mp.node_last_layer[name])
        from_edges, from_state, from_input = torch.split(layer.weight, self.config.hidden, 1)
        incoming = segment_sum(take(h, level.inputs), level.ptr, level.dst).to(layer.weight.dtype)
        own, code, alive = level.own, level.code, connected(level, layer.weight.dtype)
        if wanted is not None:
            incoming, code, alive = (t.index_select(0, wanted) for t in (incoming, code, alive))
            own = wanted if own is None else own.index_select(0, wanted)
        table = nn.functional.linear(f, from_input, layer.bias)
        summed = nn.functional.linear(incoming, from_edges)
        return (summed + linear_of_taken(n, own, from_state) + take(table, code)) * alive

    def _junction(
        self, batch: HeteroBatch, plan: JunctionPlan, f_a: Tensor, f_p: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Message passing between a fragment and its atoms, fragments first."""
        atom_x, fragment_x, _ = self._rows_of_tables(batch)
        home = plan.home
        w, b = self.w_junc.weight, self.w_junc.bias
        # The other half of the input row is zero, so each kind meets half of the columns.
        j_a = take(relu(nn.functional.linear(atom_x, w[:, :ATOM_WIDTH], b)), plan.atom_code)
        table = relu(nn.functional.linear(fragment_x, w[:, ATOM_WIDTH:], b))
        j_p = take(table, plan.fragment_code)
        to_fragment, to_atom = self.mp.attn["ajp"], cast(Attention, self.mp.attn["pja"])
        for _ in range(self.config.depth - 1):
            j_p = to_fragment(j_p, j_a, None, None, plan.ptr, home) + j_p
            # An atom has one fragment: its softmax is 1, so the value alone counts.
            j_a = take(to_atom.value_out(j_p), home) + j_a
        last = self.mp.node_last_layer["junc"]
        incoming = segment_sum(j_a, plan.ptr, home).to(w.dtype)
        j_p = last(torch.cat([incoming, j_p, take(f_p, plan.fragment_code)], 1))
        return last(torch.cat([take(j_p, home), j_a, take(f_a, plan.atom_code)], 1)), j_p

    def load_upstream_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load weights under the published names; readouts and output MLP are checked, not kept.

        Raises:
            InputError: for a missing or unknown name or another shape.
        """
        self.load_state_dict(encoder_weights(state_dict, self.state_dict(), self.config.hidden))

    def save(self, folder: str | Path) -> None:
        """Write ``model.safetensors`` and ``config.json`` into a folder; `load` reads them."""
        save_model(self, folder)

    @classmethod
    def load(cls, folder: str | Path, **changes: Any) -> PharmHGT:
        """Return the encoder of a folder that `save` wrote, on the CPU, in evaluation mode.

        Args:
            folder: of a model, also one of a training run's checkpoints.
            **changes: settings that differ from the file's, such as ``output`` or ``dedup``.

        Raises:
            InputError: a file is missing or damaged, or does not fit the configuration.
        """
        folder = Path(folder)
        model = cls(read_config(folder / CONFIG, **changes))
        weights = read_weights(folder / MODEL)
        check_names(weights, model.state_dict(), folder / MODEL)
        model.load_state_dict(weights)
        return model.eval()


def is_junction(name: str) -> bool:
    """Return whether only the junction view uses the parameter."""
    return name.startswith(("w_junc", "mp.attn.ajp", "mp.attn.pja", "mp.node_last_layer.junc"))


def on_cpu(batch: HeteroBatch) -> bool:
    """Return whether the batch lives on the CPU."""
    return batch.device.type == "cpu"


def connected(level: NodeLevel, kind: torch.dtype) -> Tensor:
    """Return 1 for rows with an incoming edge, else 0. [K, 1] of the weights' dtype."""
    return (level.ptr.diff() > 0).to(kind).unsqueeze(1)
