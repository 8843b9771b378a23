"""Encoder, heads and vocabulary as one module: from a masked batch to predictions and labels."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.heads import PretrainHeads
from pepland_model.network.model_files import VOCABULARY, save_model
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.segments import take
from pepland_model.network.states.rooms import Rooms
from pepland_model.run.config import ModelConfig
from pepland_model.train.loss import Term
from pepland_model.train.mask import IGNORE, Masked

BOND_CLASSES = 4


class PretrainNetwork(nn.Module):
    """The network of pre-training.

    Args:
        encoder: takes a `HeteroBatch`, returns embeddings of atoms and fragments.
        heads: `pepland_model.network.heads.PretrainHeads`.
        vocabulary: labels of the fragment head.
        bonds: whether bond types are predicted.
    """

    def __init__(
        self, encoder: Any, heads: Any, vocabulary: Vocabulary, bonds: bool = False
    ) -> None:
        super().__init__()
        self.encoder, self.heads, self.vocabulary = encoder, heads, vocabulary
        self.bonds = bonds
        self._labels: tuple[FeatureTables, Tensor] | None = None

    def labels(self, masked: Masked) -> Tensor:
        """Return the label of each row of the batch's fragment table. [Uf] int64."""
        host, device = masked.batch.tables.host, masked.batch.device
        if self._labels is None or self._labels[0] is not host or self._labels[1].device != device:
            labels = torch.from_numpy(self.vocabulary.labels(host.fragment_smiles))
            self._labels = (host, labels.to(device))
        return self._labels[1]

    def targets(self, masked: Masked) -> tuple[Tensor, Tensor, Tensor]:
        """Return atom [A], fragment [P] and bond [B] labels, -100 where nothing is masked."""
        return masked.atom_target, masked.fragment_target(self.labels(masked)), masked.bond_target

    def forward(self, masked: Masked, rooms: Rooms | None = None) -> list[Term | None]:
        """Return atom, fragment and bond predictions with their labels.

        Args:
            masked: a batch.
            rooms: sizes of all arrays, where they may not depend on the batch.
        """
        atoms, fragments, bonds = self.targets(masked)
        device = masked.batch.device
        if rooms is not None or self.searches_on(device):
            return self.distinct_states(masked, (atoms, fragments, bonds), rooms)
        if device.type == "cpu" and not self.bonds:
            return self.masked_rows(masked, atoms, fragments, bonds)
        return self.every_row(masked, atoms, fragments, bonds)

    def searches_on(self, device: torch.device) -> bool:
        """Return whether equal states are found on a device, which is no CPU."""
        return device.type != "cpu" and self.encoder.config.dedup is not False

    def distinct_states(
        self, masked: Masked, targets: tuple[Tensor, Tensor, Tensor], rooms: Rooms | None
    ) -> list[Term | None]:
        """Return the predictions of each distinct embedding, found on the device of the batch."""
        atoms, fragments, bonds = targets
        out, found = self.encoder.states(masked.batch, rooms)
        return [
            Term(self.heads.atom(out.atom_embedding), atoms, found.of_atom),
            Term(self.heads.fragment(out.fragment_embedding), fragments, found.of_fragment),
            self._bonds(masked, out.atom_embedding, bonds, found.of_atom),
        ]

    def every_row(
        self, masked: Masked, atoms: Tensor, fragments: Tensor, bonds: Tensor
    ) -> list[Term | None]:
        """Return the predictions of all nodes."""
        out = self.encoder(masked.batch)
        return [
            Term(self.heads.atom(out.atom_embedding), atoms),
            Term(self.heads.fragment(out.fragment_embedding), fragments),
            self._bonds(masked, out.atom_embedding, bonds),
        ]

    def masked_rows(
        self, masked: Masked, atoms: Tensor, fragments: Tensor, bonds: Tensor
    ) -> list[Term | None]:
        """Return the predictions of masked nodes, computed for these nodes only.

        The host must know their number, so with a GPU it would have to wait.
        """
        at, fr = (torch.nonzero(target != IGNORE).squeeze(1) for target in (atoms, fragments))
        out = self.encoder(masked.batch, atom_rows=at, fragment_rows=fr)
        return [
            Term(self.heads.atom(out.atom_embedding), atoms[at]),
            Term(self.heads.fragment(out.fragment_embedding), fragments[fr]),
            None,
        ]

    def _bonds(
        self, masked: Masked, atoms: Tensor, target: Tensor, rows: Tensor | None = None
    ) -> Term | None:
        """Return the predictions of bonds, from the sum of the embeddings of their atoms.

        The head is linear, so it runs on each embedding once.
        """
        if not self.bonds:
            return None
        ends = masked.batch.bond_begin.long(), masked.batch.bond_end.long()
        if rows is None:
            return Term(self.heads.bond(take(atoms, ends[0]) + take(atoms, ends[1])), target)
        part = linear(atoms, self.heads.bond.weight).float()
        both = take(part, rows[ends[0]]) + take(part, rows[ends[1]])
        return Term(both + self.heads.bond.bias, target)

    @property
    def num_classes(self) -> tuple[int, int, int]:
        """Number of classes of the atom, fragment and bond head."""
        return self.heads.atom.out_features, self.heads.fragment.out_features, BOND_CLASSES


def recompute_attention(encoder: nn.Module) -> None:
    """Make every attention layer recompute its activations in the backward pass.

    This is activation checkpointing (Chen et al. 2016, arXiv 1604.06174) of the queries, keys,
    values and weights of all edges, which need most of the memory.
    """
    for module in encoder.modules():
        if type(module).__name__ == "Attention":
            module.recomputes = True  # type: ignore[assignment]
            module.forward = partial(
                checkpoint, module.forward, use_reentrant=False, preserve_rng_state=False
            )


def build_network(model: ModelConfig, vocabulary: Vocabulary, bonds: bool) -> PretrainNetwork:
    """Return a new encoder with heads for a vocabulary.

    Args:
        model: sizes and output of the encoder.
        vocabulary: labels of the fragment head.
        bonds: whether bond types are predicted.
    """
    heads = PretrainHeads(model.hidden, len(vocabulary))
    return PretrainNetwork(build_encoder(model), heads, vocabulary, bonds)


def build_encoder(model: ModelConfig) -> PharmHGT:
    """Return a new encoder of the configured sizes and output."""
    choices: dict[str, bool | str] = {"auto": "auto", "always": True, "never": False}
    config = PharmHGTConfig(
        model.hidden, model.depth, model.heads, model.output, choices[model.dedup]
    )
    return PharmHGT(config)


def save_network(network: PretrainNetwork, folder: Path) -> None:
    """Write the encoder, its configuration and the vocabulary into a folder."""
    save_model(network.encoder, folder)
    network.vocabulary.write(folder / VOCABULARY)
