"""Encoder, heads and vocabulary as one module: from a masked batch to what the loss compares."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network.model_files import VOCABULARY, save_model
from pepland_model.run.config import ModelConfig
from pepland_model.train.loss import Term
from pepland_model.train.mask import IGNORE, Masked

if TYPE_CHECKING:
    from pepland_model.network.pharmhgt import PharmHGT

BOND_CLASSES = 4


class PretrainNetwork(nn.Module):
    """What is trained.

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
        """Return atom [A], fragment [P] and bond [B] targets, -100 where nothing is asked."""
        return masked.atom_target, masked.fragment_target(self.labels(masked)), masked.bond_target

    def forward(self, masked: Masked) -> list[Term | None]:
        """Return atom, fragment and bond predictions beside their targets."""
        atoms, fragments, bonds = self.targets(masked)
        if masked.batch.device.type == "cpu" and not self.bonds:
            return self.masked_rows(masked, atoms, fragments)
        out = self.encoder(masked.batch)
        return [
            Term(self.heads.atom(out.atom_embedding), atoms),
            Term(self.heads.fragment(out.fragment_embedding), fragments),
            self._bonds(masked, out.atom_embedding, bonds),
        ]

    def masked_rows(self, masked: Masked, atoms: Tensor, fragments: Tensor) -> list[Term | None]:
        """Run the last layer and the heads on masked nodes only.

        Their number has to be known on the host, so a GPU would have to be waited for.
        """
        at, fr = (torch.nonzero(target != IGNORE).squeeze(1) for target in (atoms, fragments))
        out = self.encoder(masked.batch, atom_rows=at, fragment_rows=fr)
        return [
            Term(self.heads.atom(out.atom_embedding), atoms[at]),
            Term(self.heads.fragment(out.fragment_embedding), fragments[fr]),
            None,
        ]

    def _bonds(self, masked: Masked, atoms: Tensor, target: Tensor) -> Term | None:
        if not self.bonds:
            return None
        ends = atoms[masked.batch.bond_begin.long()] + atoms[masked.batch.bond_end.long()]
        return Term(self.heads.bond(ends), target)

    @property
    def num_classes(self) -> tuple[int, int, int]:
        """Classes of the atom, fragment and bond head."""
        return self.heads.atom.out_features, self.heads.fragment.out_features, BOND_CLASSES


def recompute_attention(encoder: nn.Module) -> None:
    """Make every attention keep its inputs only and compute itself again in the backward pass.

    Activation checkpointing (Chen et al. 2016, arXiv 1604.06174) where most of the memory is: the
    queries, keys, values and weights of all edges.
    """
    from torch.utils.checkpoint import checkpoint

    for module in encoder.modules():
        if type(module).__name__ == "Attention":
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)


def build_network(model: ModelConfig, vocabulary: Vocabulary, bonds: bool) -> PretrainNetwork:
    """Return a fresh encoder with heads for a vocabulary.

    Args:
        model: sizes and output of the encoder.
        vocabulary: labels of the fragment head.
        bonds: whether bond types are predicted.
    """
    from pepland_model.network.heads import PretrainHeads

    heads = PretrainHeads(model.hidden, len(vocabulary))
    encoder = build_encoder(model)
    return PretrainNetwork(encoder, heads, vocabulary, bonds)


def build_encoder(model: ModelConfig) -> PharmHGT:
    """Return a fresh encoder of the configured sizes and output."""
    from pepland_model.network.config import PharmHGTConfig
    from pepland_model.network.pharmhgt import PharmHGT

    choices: dict[str, bool | str] = {"auto": "auto", "always": True, "never": False}
    config = PharmHGTConfig(
        model.hidden, model.depth, model.heads, model.output, choices[model.dedup]
    )
    return PharmHGT(config)


def save_network(network: PretrainNetwork, folder: Path) -> None:
    """Write the encoder with its configuration, and the vocabulary of the heads."""
    save_model(network.encoder, folder)
    network.vocabulary.write(folder / VOCABULARY)
