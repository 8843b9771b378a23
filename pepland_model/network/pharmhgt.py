"""PharmHGT: message passing over atoms, over fragments, and between fragments and their atoms.

Names and shapes: A atoms, P fragments, d hidden width. f is the input of a node and f_h its state,
x the input of an edge and h its state, j_h the state of a node in the junction view.
`plain_pharmhgt` has the same formulas on every row of the batch; this network computes the first
layers on the rows of the tables, and then the rows that a plan names (`states.plan`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import relu

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_model.network.attention import Attention
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.junction import junction_states
from pepland_model.network.layers import PharmHGTLayers
from pepland_model.network.model_files import (
    CONFIG,
    MODEL,
    check_weights,
    read_config,
    read_weights,
    save_model,
)
from pepland_model.network.output import PharmHGTOutput, Round
from pepland_model.network.pooling import run_views
from pepland_model.network.published_names import encoder_weights
from pepland_model.network.segments import take
from pepland_model.network.states.device_search import search, search_junction
from pepland_model.network.states.distinct import distinct_plan
from pepland_model.network.states.distinct_junction import distinct_junction
from pepland_model.network.states.every_row import every_row_junction, every_row_plan
from pepland_model.network.states.kept_states import StateCache
from pepland_model.network.states.plan import Plan, ViewPlan
from pepland_model.network.states.plan_takers import KnownTakers, wants_takers, with_takers
from pepland_model.network.states.rooms import Rooms, exactly
from pepland_model.network.states.state_rows import StateRows, state_rows
from pepland_model.network.view import ATOMS, FRAGMENTS, View, chosen, view_states

MAX_SHARE = 0.9
"""With ``dedup`` "auto", levels with a larger share of distinct rows compute every row. Measured in
training, 499 peptides per batch: 0.187 GFLOP per peptide with 0.9, and 0.200 with 0.5."""


class PharmHGT(PharmHGTLayers):
    """The network of PepLand with its three outputs; layers that no output needs are not run.

    Examples:
        >>> import pepland_data
        >>> batch = pepland_data.HeteroBatch.from_graphs([pepland_data.featurize("NCC(=O)O")])
        >>> PharmHGT(PharmHGTConfig())(batch).atom.shape
        torch.Size([5, 300])
    """

    def __init__(self, config: PharmHGTConfig | None = None) -> None:
        super().__init__(config, Attention)
        self.cache = StateCache()

    def plan(
        self,
        batch: HeteroBatch,
        atoms: bool = True,
        fragments: bool = True,
        rooms: Rooms | None = None,
    ) -> Plan:
        """Return which rows each view computes; a loader's thread may call this before a step.

        Args:
            batch: already masked. The search for distinct states runs where the batch is; on a
                CUDA device the host waits for its sizes, unless there are rooms.
            atoms: plan the atom view.
            fragments: plan the fragment view.
            rooms: sizes of all arrays. The caller must look at their `overflow`.
        """
        if rooms is not None:
            return self._searched(batch, atoms, fragments, rooms)
        if not on_cpu(batch) and self.config.dedup is not False:
            return exactly(lambda found: self._searched(batch, atoms, fragments, found))
        search = self.config.dedup is not False
        max_share = 1.0 if self.config.dedup is True else MAX_SHARE
        known = KnownTakers()

        def plan_of(view: View) -> ViewPlan:
            code, edges = view.codes(batch), view.directed_edges(batch)
            if search:
                return distinct_plan(code, edges, self.config.rounds, max_share)
            known.add_edges(edges)
            return every_row_plan(code, edges, self.config.rounds)

        kept = search and self._keeps_states(batch)
        of_atoms = plan_of(ATOMS) if atoms and not kept else None
        of_fragments = plan_of(FRAGMENTS) if fragments and not kept else None
        junction = None
        if self.config.junction:
            junction_plan = distinct_junction if search else every_row_junction
            junction = junction_plan(batch.atom_code, batch.atom_fragment, batch.fragment_code)
        plan = Plan(of_atoms, of_fragments, junction)
        return with_takers(plan, batch.tables, known) if wants_takers(batch.device) else plan

    def _searched(self, batch: HeteroBatch, atoms: bool, fragments: bool, rooms: Rooms) -> Plan:
        """Return the plan of distinct states, found on the device of the batch."""

        def plan_of(view: View) -> ViewPlan:
            code, edges = view.codes(batch), view.directed_edges(batch)
            real = getattr(batch, f"{view.nodes}_ptr")[-1]
            return search(view.nodes, code, edges, real, self.config.rounds, rooms)

        of_atoms = plan_of(ATOMS) if atoms else None
        of_fragments = plan_of(FRAGMENTS) if fragments else None
        junction = None
        if self.config.junction:
            codes = batch.atom_code, batch.atom_fragment, batch.fragment_code
            junction = search_junction(*codes, batch.fragment_ptr[-1], rooms)
        plan = Plan(of_atoms, of_fragments, junction)
        if not wants_takers(batch.device):
            return plan
        return with_takers(plan, batch.tables, rooms=rooms)

    def states(
        self, batch: HeteroBatch, rooms: Rooms | None = None
    ) -> tuple[PharmHGTOutput, StateRows]:
        """Return each distinct embedding of a batch once, and which nodes have it.

        Args:
            batch: as for `forward`, on any device.
            rooms: sizes of all arrays; None for exact sizes, for which the host waits.
        """
        if rooms is None:
            found = exactly(lambda rooms: self.search_states(batch, rooms))
        else:
            found = self.search_states(batch, rooms)
        return self(batch, found.atom_rows, found.fragment_rows, found.plan), found

    def embeddings(
        self, batch: HeteroBatch, atoms: bool = True, fragments: bool = True
    ) -> dict[str, Round]:
        """Return the embeddings of ``atom`` and ``fragment``, equal ones once where it saves time.

        They have a gradient. Where states are kept from batch to batch, and with the junction view,
        every node has a row of its own. A view that is not needed has no rows.

        Args:
            batch: on the device of the parameters.
            atoms: whether atoms are needed.
            fragments: the same for fragments.
        """
        plan = self.plan(batch, atoms, fragments)
        views = plan.atoms, plan.fragments
        rows = [(None, None) if v is None or plan.junction else v.index("rows") for v in views]
        atom_states, fragment_states = (v and v.states() for v in views)
        bare = plan if plan.junction else Plan(atom_states, fragment_states, None)
        out = run_views(partial(self, plan=bare), batch, atoms, fragments)
        embeddings = {"atom": out.atom_embedding, "fragment": out.fragment_embedding}
        return {n: Round(e, *rows[i]) for i, (n, e) in enumerate(embeddings.items())}

    def search_states(self, batch: HeteroBatch, rooms: Rooms) -> StateRows:
        """Return which embeddings of a batch differ, and how they are computed."""
        return state_rows(self._searched(batch, True, True, rooms), rooms)

    def forward(
        self,
        batch: HeteroBatch,
        atom_rows: Tensor | None = None,
        fragment_rows: Tensor | None = None,
        plan: Plan | None = None,
        rounds: bool = False,
    ) -> PharmHGTOutput:
        """Return the states of the atoms and fragments of a batch.

        Args:
            batch: on the device of the parameters.
            atom_rows: [K] int64, atoms to return, in this order; None means all. The last layer
                runs on these atoms only. Where K is 0, the atom view is not run.
            fragment_rows: [L] int64, the same for fragments.
            plan: what `plan` returned for this batch.
            rounds: whether the inputs of all nodes and their states after each round are returned
                too.
        """
        atoms, fragments = (rows is None or len(rows) > 0 for rows in (atom_rows, fragment_rows))
        plan = plan or self.plan(batch, atoms, fragments)
        if wants_takers(batch.device):  # a plan made for the CPU, and moved, has none
            plan = with_takers(plan, batch.tables)
        views = ((atoms, plan.atoms), (fragments, plan.fragments))
        if not self._keeps_states(batch) and any(run and part is None for run, part in views):
            raise InputError(
                "the plan lacks a view that is asked for; make it with the model in the same mode "
                "(training or evaluation, with or without gradients)"
            )
        atom_x, fragment_x, bond_x = self._tables(batch)
        f_a, f_p = relu(self.w_atom(atom_x)), relu(self.w_pharm(fragment_x))
        x_b, x_r = relu(self.w_bond(bond_x)), relu(self.w_reac(bond_x))
        atom, fragment = f_a[:0], f_p[:0]
        of_a = [Round(f_a, batch.atom_code.long())] if rounds else None
        of_p = [Round(f_p, batch.fragment_code.long())] if rounds else None
        if atoms:
            atom = self._view(ATOMS, f_a, x_b, batch, plan.atoms, atom_rows, of_a)
        if fragments:
            fragment = self._view(FRAGMENTS, f_p, x_r, batch, plan.fragments, fragment_rows, of_p)
        after = tuple(of_a or ()), tuple(of_p or ())
        if plan.junction is None:
            return PharmHGTOutput(atom, fragment, None, None, self.config.output, *after)
        j_a, j_p = junction_states(self, atom_x, fragment_x, f_a, f_p, plan.junction)
        j_a = take(j_a, *chosen(plan.junction.index("atom_rows"), atom_rows))
        j_p = take(j_p, *chosen(plan.junction.index("fragment_rows"), fragment_rows))
        return PharmHGTOutput(atom, fragment, j_a, j_p, self.config.output, *after)

    def _tables(self, batch: HeteroBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the atom, fragment and bond table in the dtype of the weights."""
        tables, dtype = batch.tables, self.w_atom.weight.dtype
        return tables.atom_x.to(dtype), tables.fragment_x.to(dtype), tables.bond_x.to(dtype)

    def _keeps_states(self, batch: HeteroBatch) -> bool:
        inference = not torch.is_grad_enabled() and not self.training
        return self.config.keep_states and inference and on_cpu(batch)

    def _view(
        self,
        view: View,
        f: Tensor,
        x: Tensor,
        batch: HeteroBatch,
        plan: ViewPlan | None,
        rows: Tensor | None,
        passed: list[Round] | None = None,
    ) -> Tensor:
        """Return the states of a view; without a plan, from states kept from earlier batches."""
        if plan is not None:
            return view_states(self, view, f, x, plan, rows, passed=passed)
        code, edges = view.codes(batch), view.directed_edges(batch)
        tables = [getattr(batch.tables, f"{view.nodes}_x"), batch.tables.bond_x]
        with self.cache.held() as free:
            if not free:  # another thread uses the cache
                plan = distinct_plan(code, edges, self.config.rounds, MAX_SHARE)
                return view_states(self, view, f, x, plan, rows, passed=passed)
            kept = self.cache.view(view.nodes, view.weights(self), tables, self.config.rounds)
            plan = distinct_plan(code, edges, self.config.rounds, 1.0, kept.levels)
            if plan.rows is None:
                self.cache.forget(view.nodes)
                return view_states(self, view, f, x, plan, rows, passed=passed)
            return view_states(self, view, f, x, plan, rows, kept, passed)

    def load_upstream_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load weights under the published names.

        Readouts and output layers, which no embedding uses, are checked and not loaded.

        Raises:
            InputError: a name is missing or unknown, or a shape differs.
        """
        self.load_state_dict(encoder_weights(state_dict, self.state_dict(), self.config.hidden))

    def save(self, folder: str | Path) -> None:
        """Write ``model.safetensors`` and ``config.json`` into a folder; `load` reads them."""
        save_model(self, folder)

    @classmethod
    def load(cls, folder: str | Path, **changes: Any) -> PharmHGT:
        """Return the encoder of a folder that `save` wrote, on the CPU, in evaluation mode.

        Args:
            folder: of a model; a checkpoint of a training run also is one.
            **changes: settings that differ from those in the file, such as ``output`` or ``dedup``.

        Raises:
            InputError: a file is missing or damaged, or does not fit the configuration.
        """
        folder = Path(folder)
        config = read_config(folder / CONFIG, **changes)
        weights = read_weights(folder / MODEL)
        with torch.device("meta"):  # shapes without memory: the settings may be too large
            outline = cls(config).state_dict()
        shapes = {name: tuple(value.shape) for name, value in outline.items()}
        remedy = f"check that {CONFIG} belongs to these weights"
        check_weights(weights, shapes, shapes, str(folder / MODEL), remedy)
        model = cls(config)
        model.load_state_dict(weights)
        return model.eval()


def on_cpu(batch: HeteroBatch) -> bool:
    """Return whether the batch is on the CPU."""
    return batch.device.type == "cpu"
