"""Which atoms, fragments and bonds a training step hides, chosen on the device without a wait.

Every candidate gets a key from a counter-based hash of (seed, epoch, graph number, position), and
the k smallest keys of a graph are masked. So the masks of a graph depend on nothing else: not on
its batch mates, the rank that holds it, or the device. Masking is writing code 0 before anything is
derived from the codes, so that no view of the model sees what it has to predict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError
from pepland_data.graph.feature_tables import MASK_CODE
from pepland_model.run.config import MaskConfig

IGNORE = -100
"""Target of everything that is not masked."""
MODES = {"pep": 0.8, "residue": 0.3, "atom": 0.8}
"""Mode -> published rate."""
_ATOMS, _FRAGMENTS, _PIECES = 1, 2, 3  # streams of the hash
_KEY_BITS = 40


@dataclass(frozen=True)
class MaskOptions:
    """What is masked, and how much of it."""

    mode: str = "pep"
    """``pep`` (atoms outside bare amides), ``residue`` (whole Amiibo pieces) or ``atom``."""
    atom_rate: float | None = None
    """Share of the candidates of each graph; None means the published rate of the mode."""
    mask_fragments: bool = True
    """Mask fragments too."""
    fragment_rate: float = 0.8
    """Share of the fragments of each graph."""
    mask_bonds: bool = False
    """Mask the bonds at masked atoms too, in both directions."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"mask mode {self.mode!r} is unknown; choose from {', '.join(MODES)}")
        for name, rate in (("atom_rate", self.rate), ("fragment_rate", self.fragment_rate)):
            if not 0.0 <= rate <= 1.0:
                raise InputError(f"{name} is {rate}; it must lie between 0 and 1")

    @classmethod
    def of(cls, config: MaskConfig) -> MaskOptions:
        """Return what the ``[mask]`` section of a configuration asks for."""
        rate = None if config.atom_rate < 0 else config.atom_rate
        return cls(
            config.mode, rate, config.mask_fragments, config.fragment_rate, config.mask_bonds
        )

    @property
    def rate(self) -> float:
        """The atom (or piece) rate that is in force."""
        return MODES[self.mode] if self.atom_rate is None else self.atom_rate


@dataclass(frozen=True, eq=False)
class Masked:
    """A batch whose masked codes are 0, and what they were."""

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
        batch: on any device; padded batches are fine, ghosts are never masked.
        options: what to mask.
        seed: any integer.
        epoch: any integer; evaluation uses a fixed one.
    """
    of_atom = segment_of(batch.atom_ptr, len(batch.atom_code))
    of_fragment = segment_of(batch.fragment_ptr, len(batch.fragment_code))
    if options.mode == "residue":
        atoms = _atoms_of_pieces(batch, of_fragment, options.rate, seed, epoch)
    else:
        candidates = _atom_candidates(batch, of_atom, options.mode)
        keys = _keys(batch.atom_ptr, of_atom, batch.graph_index, seed, epoch, _ATOMS)
        atoms = choose(batch.atom_ptr, of_atom, candidates, keys, options.rate)
    fragments = torch.zeros_like(of_fragment, dtype=torch.bool)
    if options.mask_fragments:
        keys = _keys(batch.fragment_ptr, of_fragment, batch.graph_index, seed, epoch, _FRAGMENTS)
        real = of_fragment < batch.num_graphs
        fragments = choose(batch.fragment_ptr, of_fragment, real, keys, options.fragment_rate)
    return _apply(batch, atoms, fragments, options.mask_bonds)


def _atom_candidates(batch: HeteroBatch, of_atom: Tensor, mode: str) -> Tensor:
    real = of_atom < batch.num_graphs
    if mode == "atom":
        return real
    maskable = batch.tables.fragment_maskable[batch.fragment_code.long()]
    return real & maskable[batch.atom_fragment.long()]


def _atoms_of_pieces(
    batch: HeteroBatch, of_fragment: Tensor, rate: float, seed: int, epoch: int
) -> Tensor:
    """Return which atoms lie in a chosen Amiibo piece. [A] bool.

    Piece numbers of a graph with P fragments lie in 0..P, so P + 1 slots a graph hold them all.
    """
    graphs, device = batch.num_graphs, batch.device
    slot_ptr = batch.fragment_ptr + torch.arange(graphs + 1, device=device)
    slots = len(batch.fragment_code) + graphs + 1
    slot = slot_ptr[of_fragment] + batch.fragment_residue
    slot = torch.where(of_fragment < graphs, slot, slots - 1).clamp_(max=slots - 1)
    of_slot = segment_of(slot_ptr, slots)
    present = torch.zeros(slots, dtype=torch.bool, device=device)
    present.scatter_(0, slot, torch.ones_like(slot, dtype=torch.bool))
    keys = _keys(slot_ptr, of_slot, batch.graph_index, seed, epoch, _PIECES)
    chosen = choose(slot_ptr, of_slot, present & (of_slot < graphs), keys, rate)
    return chosen[slot][batch.atom_fragment.long()]


def _apply(batch: HeteroBatch, atoms: Tensor, fragments: Tensor, mask_bonds: bool) -> Masked:
    atom_label = batch.tables.atom_label[:, 0][batch.atom_code.long()]
    bonds = torch.zeros_like(batch.bond_code, dtype=torch.bool)
    if mask_bonds:
        real = segment_of(batch.bond_ptr, len(bonds)) < batch.num_graphs
        bonds = (atoms[batch.bond_begin.long()] | atoms[batch.bond_end.long()]) & real
    bond_type = batch.tables.bond_x[:, 1:5].argmax(1)[batch.bond_code.long()]
    hidden = replace(
        batch,
        atom_code=batch.atom_code.masked_fill(atoms, MASK_CODE),
        fragment_code=batch.fragment_code.masked_fill(fragments, MASK_CODE),
        bond_code=batch.bond_code.masked_fill(bonds, MASK_CODE),
    )
    return Masked(
        hidden,
        torch.where(atoms, atom_label, IGNORE),
        fragments,
        batch.fragment_code,
        torch.where(bonds, bond_type, IGNORE),
    )


def segment_of(ptr: Tensor, rows: int) -> Tensor:
    """Return the graph of each row, the number of graphs for ghost rows. [rows] int64."""
    return torch.searchsorted(
        ptr[1:].contiguous(), torch.arange(rows, device=ptr.device), right=True
    )


def choose(ptr: Tensor, segment: Tensor, candidate: Tensor, key: Tensor, rate: float) -> Tensor:
    """Choose min(n, int(rate * n + 1)) of the n candidates of each segment, smallest keys first.

    Sorting by (segment, not a candidate, key) leaves every segment in its place, so a row's rank
    in its segment is its sorted position minus the segment's start.

    Args:
        ptr: [G+1] int64.
        segment: [N] int64, sorted, G for ghosts.
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


def _keys(
    ptr: Tensor, segment: Tensor, graph_index: Tensor, seed: int, epoch: int, stream: int
) -> Tensor:
    """Return one key below 2**40 a row, from its graph number and its place in the graph. [N]."""
    base = mix_int(mix_int(mix_int(seed) + epoch) + stream)
    per_graph = mix(mix(graph_index ^ base) + base)
    per_graph = torch.cat([per_graph, per_graph.new_zeros(1)])
    place = torch.arange(len(segment), device=ptr.device) - ptr[segment]
    return mix(per_graph[segment] + place * _GOLDEN) & ((1 << _KEY_BITS) - 1)


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


# The finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi 10.1145/2660193.2660195).
_GOLDEN = _signed(0x9E3779B97F4A7C15)
_STAGES = ((30, _signed(0xBF58476D1CE4E5B9)), (27, _signed(0x94D049BB133111EB)))


def mix(x: Tensor) -> Tensor:
    """Hash int64 values, the same on every device (wrapping multiplication, logical shifts)."""
    for shift, factor in _STAGES:
        x = (x ^ _shift(x, shift)) * factor
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix_int(x: int) -> int:
    """Hash one Python integer as `mix` does. Signed 64 bit."""
    x &= (1 << 64) - 1
    for shift, factor in _STAGES:
        x = ((x ^ (x >> shift)) * factor) & ((1 << 64) - 1)
    return _signed(x ^ (x >> 31))
