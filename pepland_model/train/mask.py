"""Choose and mask the atoms, fragments and bonds that a training step predicts.

Every candidate gets a key from a counter-based hash of (seed, epoch, graph number, position), and
the candidates with the k smallest keys of a graph are masked. So the masks of a graph do not depend
on the rest of the batch, the rank or the device, and the host does not wait for the device. A
masked node gets code 0 before anything is computed from the codes, so no label reaches the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.graph.feature_tables import MASK_CODE
from pepland_model.network.hashing import GOLDEN, mix, mix_int
from pepland_model.network.kernels import devices as kernels
from pepland_model.run.config import MaskConfig

IGNORE = -100
"""Target of nodes and bonds that are not masked."""
_ATOMS, _FRAGMENTS, _RESIDUES = 0, 1, 2  # streams of the hash
_KEY_BITS = 40
Bases = Sequence[int] | Tensor


@dataclass(frozen=True)
class MaskOptions:
    """What to mask, and how much of it."""

    mode: str = "pep"
    """``pep`` (atoms outside bare amides), ``residue`` (whole residues) or ``atom`` (any)."""
    atom_rate: float | None = None
    """Share of the candidates to mask per graph; None means the published rate of the mode."""
    mask_fragments: bool = True
    """Whether fragments are masked."""
    fragment_rate: float = 0.8
    """Share of the fragments to mask per graph."""
    mask_bonds: bool = False
    """Whether the bonds of masked atoms are masked, in both directions."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"mask mode {self.mode!r} is unknown; choose from {', '.join(MODES)}")
        for name, rate in (("atom_rate", self.rate), ("fragment_rate", self.fragment_rate)):
            if not 0.0 <= rate <= 1.0:
                raise InputError(f"{name} is {rate}; it must lie between 0 and 1")

    @classmethod
    def of(cls, config: MaskConfig) -> MaskOptions:
        """Return the options of the ``[mask]`` section of a configuration."""
        rate = None if config.atom_rate < 0 else config.atom_rate
        return cls(
            config.mode, rate, config.mask_fragments, config.fragment_rate, config.mask_bonds
        )

    @property
    def rate(self) -> float:
        """Share of the candidates that is masked per graph."""
        return MODES[self.mode].rate if self.atom_rate is None else self.atom_rate


@dataclass(frozen=True, eq=False)
class Masked:
    """A batch whose masked codes are 0, and the labels to predict."""

    batch: HeteroBatch
    atom_target: Tensor
    """[A] int64, atomic number - 1 of masked atoms, else -100."""
    fragment_masked: Tensor
    """[P] bool."""
    fragment_code: Tensor
    """[P] int32, codes before masking."""
    bond_target: Tensor
    """[B] int64, 0..3 = single, double, triple, aromatic for masked bonds, else -100."""

    def fragment_target(self, labels: Tensor) -> Tensor:
        """Return the vocabulary label of masked fragments, else -100. [P] int64.

        Args:
            labels: [Uf] int64, label of each row of the fragment table.
        """
        return torch.where(self.fragment_masked, labels[self.fragment_code.long()], IGNORE)


def mask_batch(batch: HeteroBatch, options: MaskOptions, seed: int, epoch: int) -> Masked:
    """Mask a batch; the same (seed, epoch, graph number) always gives the same masks.

    Args:
        batch: on any device, with or without padding; padding is never masked.
        options: what to mask.
        seed: any integer.
        epoch: any integer; evaluation uses a fixed one.
    """
    return mask_batch_with(batch, options, mask_bases(seed, epoch))


def mask_bases(seed: int, epoch: int) -> list[int]:
    """Return what the hashes of an epoch start from, for each stream: 64-bit integers."""
    streams = (_ATOMS, _FRAGMENTS, _RESIDUES)
    return [mix_int(mix_int(mix_int(seed) + epoch) + stream + 1) for stream in streams]


def mask_batch_with(batch: HeteroBatch, options: MaskOptions, bases: Bases) -> Masked:
    """Mask a batch; seed and epoch are in the bases, which may be a tensor [3] on its device."""
    if kernels.runs_on(batch.device):
        return _mask_by_kernel(batch, options, bases)
    atoms = MODES[options.mode].choose(batch, options.rate, bases)
    fragments = torch.zeros_like(batch.fragment_code, dtype=torch.bool)
    if options.mask_fragments:
        of_fragment = segment_of(batch.fragment_ptr, len(batch.fragment_code))
        keys = _keys(batch.fragment_ptr, of_fragment, batch.graph_index, bases[_FRAGMENTS])
        real = of_fragment < batch.num_graphs
        fragments = choose(batch.fragment_ptr, of_fragment, real, keys, options.fragment_rate)
    return _apply(batch, atoms, fragments, options.mask_bonds)


def _mask_by_kernel(batch: HeteroBatch, options: MaskOptions, bases: Bases) -> Masked:
    """Mask a batch by one kernel, with the same result; residues and bonds need more operations."""
    from pepland_model.network.kernels.masks import ANY, BY_FRAGMENT, GIVEN, Rule, masks

    rules = {"pep": Rule(BY_FRAGMENT, batch.tables.fragment_maskable), "atom": Rule(ANY)}
    mode = options.mode
    rule = rules.get(mode) or Rule(GIVEN, MODES[mode].choose(batch, options.rate, bases))
    rates = (options.rate, options.fragment_rate if options.mask_fragments else -1.0)
    found = masks(batch, rule, bases, rates, MASK_CODE, IGNORE, _KEY_BITS)
    hidden = replace(batch, atom_code=found.atom_code, fragment_code=found.fragment_code)
    masked = Masked(
        hidden, found.atom_target, found.fragment_masked, batch.fragment_code, found.bond_target
    )
    return _mask_bonds(masked, found.atom_masked) if options.mask_bonds else masked


def _any_atoms(batch: HeteroBatch, rate: float, bases: Bases) -> Tensor:
    """Choose among all atoms of each graph. [A] bool."""
    return _atoms_among(batch, torch.ones_like(batch.atom_code, dtype=torch.bool), rate, bases)


def _atoms_outside_amides(batch: HeteroBatch, rate: float, bases: Bases) -> Tensor:
    """Choose among the atoms whose fragment is not a bare amide. [A] bool."""
    maskable = batch.tables.fragment_maskable[batch.fragment_code.long()]
    return _atoms_among(batch, maskable[batch.atom_fragment.long()], rate, bases)


def _atoms_among(batch: HeteroBatch, candidates: Tensor, rate: float, bases: Bases) -> Tensor:
    of_atom = segment_of(batch.atom_ptr, len(batch.atom_code))
    keys = _keys(batch.atom_ptr, of_atom, batch.graph_index, bases[_ATOMS])
    return choose(batch.atom_ptr, of_atom, candidates & (of_atom < batch.num_graphs), keys, rate)


def _whole_residues(batch: HeteroBatch, rate: float, bases: Bases) -> Tensor:
    """Choose residues, the pieces of the amiibo cut, and return their atoms. [A] bool.

    Residue numbers of a graph with P fragments are 0..P, so P + 1 slots per graph hold them all.
    """
    graphs, device = batch.num_graphs, batch.device
    of_fragment = segment_of(batch.fragment_ptr, len(batch.fragment_code))
    slot_ptr = batch.fragment_ptr + torch.arange(graphs + 1, device=device)
    slots = len(batch.fragment_code) + graphs + 1
    slot = slot_ptr[of_fragment] + batch.fragment_residue
    slot = torch.where(of_fragment < graphs, slot, slots - 1).clamp_(max=slots - 1)
    of_slot = segment_of(slot_ptr, slots)
    present = torch.zeros(slots, dtype=torch.bool, device=device)
    present.scatter_(0, slot, torch.ones_like(slot, dtype=torch.bool))
    keys = _keys(slot_ptr, of_slot, batch.graph_index, bases[_RESIDUES])
    chosen = choose(slot_ptr, of_slot, present & (of_slot < graphs), keys, rate)
    return chosen[slot][batch.atom_fragment.long()]


class MaskMode(NamedTuple):
    """One rule for the atoms to mask."""

    rate: float
    """Published rate."""
    choose: Callable[[HeteroBatch, float, Bases], Tensor]
    """Takes batch, rate and `mask_bases`; returns the chosen atoms, [A] bool."""


MODES = {
    "pep": MaskMode(0.8, _atoms_outside_amides),
    "residue": MaskMode(0.3, _whole_residues),
    "atom": MaskMode(0.8, _any_atoms),
}
"""A new mode is one entry here, and one in `pepland_model.run.config.MASK_MODES`."""


def _apply(batch: HeteroBatch, atoms: Tensor, fragments: Tensor, mask_bonds: bool) -> Masked:
    atom_label = batch.tables.atom_label[:, 0][batch.atom_code.long()]
    hidden = replace(
        batch,
        atom_code=batch.atom_code.masked_fill(atoms, MASK_CODE),
        fragment_code=batch.fragment_code.masked_fill(fragments, MASK_CODE),
    )
    atom_target = torch.where(atoms, atom_label, IGNORE)
    bond_target = torch.full_like(batch.bond_code, IGNORE, dtype=torch.int64)
    masked = Masked(hidden, atom_target, fragments, batch.fragment_code, bond_target)
    return _mask_bonds(masked, atoms) if mask_bonds else masked


def _mask_bonds(masked: Masked, atoms: Tensor) -> Masked:
    """Mask the bonds of masked atoms too."""
    batch = masked.batch
    real = segment_of(batch.bond_ptr, len(batch.bond_code)) < batch.num_graphs
    bonds = (atoms[batch.bond_begin.long()] | atoms[batch.bond_end.long()]) & real
    bond_type = batch.tables.bond_x[:, 1:5].argmax(1)[batch.bond_code.long()]
    hidden = replace(batch, bond_code=batch.bond_code.masked_fill(bonds, MASK_CODE))
    return replace(masked, batch=hidden, bond_target=torch.where(bonds, bond_type, IGNORE))


def segment_of(ptr: Tensor, rows: int) -> Tensor:
    """Return the graph of each row, the number of graphs for rows of padding. [rows] int64."""
    return torch.searchsorted(
        ptr[1:].contiguous(), torch.arange(rows, device=ptr.device), right=True
    )


def choose(ptr: Tensor, segment: Tensor, candidate: Tensor, key: Tensor, rate: float) -> Tensor:
    """Choose min(n, int(rate * n + 1)) of the n candidates of each segment, smallest keys first.

    Rows are sorted by (segment, not a candidate, key). Segments keep their places, so the rank of a
    row in its segment is its sorted position minus the start of the segment.

    Args:
        ptr: [G+1] int64.
        segment: [N] int64, sorted, G for padding.
        candidate: [N] bool.
        key: [N] int64 below 2**40.
        rate: 0..1.

    Returns:
        [N] bool.
    """
    rows = len(segment)
    counts = torch.zeros(rows + 1, dtype=torch.int64, device=ptr.device)
    counts[1:] = candidate.cumsum(0)
    number = counts[ptr[1:]] - counts[ptr[:-1]]
    wanted = torch.minimum(number, (rate * number.double() + 1).long())
    order = torch.argsort(((2 * segment + ~candidate) << _KEY_BITS) + key, stable=True)
    rank = torch.arange(rows, device=ptr.device) - ptr[segment]
    taken = rank < torch.cat([wanted, wanted.new_zeros(1)])[segment]
    return torch.empty_like(taken).scatter_(0, order, taken)


def _keys(ptr: Tensor, segment: Tensor, graph_index: Tensor, base: int | Tensor) -> Tensor:
    """Return a key below 2**40 for each row, from its graph number and position in the graph."""
    per_graph = mix(mix(graph_index ^ base) + base)
    per_graph = torch.cat([per_graph, per_graph.new_zeros(1)])
    position = torch.arange(len(segment), device=ptr.device) - ptr[segment]
    return mix(per_graph[segment] + position * GOLDEN) & ((1 << _KEY_BITS) - 1)
