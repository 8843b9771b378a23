"""The formulations that a benchmark compares; each adds one technique to the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pepland_data.batch.arrays import BatchTables
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.measure.dgl_formulation import DGLPharmHGT
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.heads import PretrainHeads
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.train.mask import IGNORE, Masked
from pepland_model.train.step import autocast


@dataclass(frozen=True)
class Variant:
    """One way to compute the network."""

    name: str
    says: str
    """What it adds to the one before."""
    dgl: bool = False
    """DGL message passing with user-defined functions."""
    live_only: bool = False
    """DGL without the junction view if no output needs it."""
    tables: bool = True
    """First layers run on the distinct feature rows."""
    needed_rows: bool = True
    """In training, last layer and heads run on masked nodes only."""
    dedup: bool = True
    """Each distinct state is computed once, if that is faster."""
    keep: bool = True
    """In inference, states are kept from batch to batch."""


VARIANTS = (
    Variant("published", "DGL, user-defined functions, all views", dgl=True, dedup=False,
            keep=False),
    Variant("live_views", "DGL, views no output needs left out", dgl=True, live_only=True,
            dedup=False, keep=False),
    Variant("every_row", "sorted segments, one program for all degrees", tables=False,
            needed_rows=False, dedup=False, keep=False),
    Variant("tables", "first layers on tables", needed_rows=False, dedup=False, keep=False),
    Variant("needed_rows", "last layer on masked nodes", dedup=False, keep=False),
    Variant("states_once", "each distinct state of a batch once", keep=False),
    Variant("kept_states", "distinct states kept across batches"),
)  # fmt: skip
TRAINING = {v.name for v in VARIANTS} - {"kept_states"}
INFERENCE = {v.name for v in VARIANTS} - {"needed_rows"}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A batch in the form that a variant takes; the time to make it is not measured."""

    graphs: Any
    """`HeteroBatch`, or a DGL graph."""
    atom_target: Tensor
    """[A] int64, -100 for nodes without a target."""
    fragment_target: Tensor
    """[P] int64."""


def prepare(variant: Variant, masked: Masked, labels: Tensor) -> Prepared:
    """Return a masked batch in the form that the variant takes."""
    batch = masked.batch if variant.tables else spread_tables(masked.batch)
    graphs = masked.batch.to_dgl() if variant.dgl else batch
    return Prepared(graphs, masked.atom_target, masked.fragment_target(labels))


def unmasked(variant: Variant, batch: HeteroBatch) -> Any:
    """Return a batch for inference in the form that the variant takes."""
    if variant.dgl:
        return batch.to_dgl()
    return batch if variant.tables else spread_tables(batch)


def spread_tables(batch: HeteroBatch) -> HeteroBatch:
    """Return the batch with one table row for every node and bond, so that no row is shared."""
    t = batch.tables
    codes = (batch.atom_code, batch.fragment_code, batch.bond_code, batch.reaction_code)
    atom, fragment, bond, reaction = (code.long() for code in codes)
    bonds = torch.cat([bond, reaction])
    tables = BatchTables(t.host, t.atom_x[atom], t.atom_label[atom], t.bond_x[bonds],
                         t.fragment_x[fragment], t.fragment_maskable[fragment])  # fmt: skip
    rows = [torch.arange(len(code), dtype=torch.int32, device=code.device) for code in codes]
    return replace(batch, tables=tables, atom_code=rows[0], fragment_code=rows[1],
                   bond_code=rows[2], reaction_code=rows[3] + len(bond))  # fmt: skip


def encoder_of(variant: Variant, config: PharmHGTConfig, weights: dict[str, Tensor]) -> Any:
    """Return the encoder of a variant with given weights."""
    settings = replace(config, dedup="auto" if variant.dedup else False, keep_states=variant.keep)
    encoder: nn.Module
    encoder = DGLPharmHGT(settings, variant.live_only) if variant.dgl else PharmHGT(settings)
    encoder.load_state_dict(weights)
    return encoder.to(next(iter(weights.values())).device)


def inference(
    encoder: Any, precision: str, device: torch.device, atoms_only: bool = False
) -> Callable[[Any], Any]:
    """Return a function that computes all outputs of a batch, or only the atom view."""
    encoder.eval()
    none = torch.empty(0, dtype=torch.int64, device=device)
    rows = {"fragment_rows": none} if atoms_only else {}

    def run(graphs: Any) -> Any:
        with torch.no_grad(), autocast(precision, device):
            return encoder(graphs, **rows)

    return run


class TrainingStep:
    """Forward on a masked batch, both heads, loss, backward, and a step of Adam."""

    def __init__(
        self, variant: Variant, encoder: Any, classes: int, precision: str, device: torch.device
    ) -> None:
        torch.manual_seed(0)
        self.variant, self.encoder, self.precision = variant, encoder.train(), precision
        self.heads = PretrainHeads(encoder.config.hidden, classes).to(device)
        self.device = device
        weights = [p for m in (encoder, self.heads) for p in m.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(weights, lr=1e-3, fused=device.type == "cuda")

    def __call__(self, batch: Prepared) -> Tensor:
        """Take one step; return the loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.precision, self.device):
            loss = self.loss(batch)
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach()

    def loss(self, batch: Prepared) -> Tensor:
        """Return the loss of both heads on the masked nodes."""
        targets = (batch.atom_target, batch.fragment_target)
        # With a GPU the host does not know the number of targets, so every row is predicted.
        rows = [torch.nonzero(t != IGNORE).squeeze(1) for t in targets if t.device.type == "cpu"]
        inside = rows if self.variant.needed_rows and not self.variant.dgl else []
        out = self.encoder(batch.graphs, *inside)
        states: list[Tensor] = [out.atom_embedding, out.fragment_embedding]
        if rows and not inside:
            states = [s.index_select(0, r) for s, r in zip(states, rows, strict=True)]
        if rows:
            targets = (targets[0][rows[0]], targets[1][rows[1]])
        logits = (self.heads.atom(states[0]), self.heads.fragment(states[1]))
        losses = [cross_entropy(x.float(), t, ignore_index=IGNORE)
                  for x, t in zip(logits, targets, strict=True)]  # fmt: skip
        return losses[0] + losses[1]
