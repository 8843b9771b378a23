"""The linear heads of pre-training."""

from __future__ import annotations

from torch import Tensor, nn

NUM_ELEMENTS = 119
NUM_BOND_TYPES = 4


def padded(classes: int) -> int:
    """Return the number of classes, rounded up to a multiple of 8 (published: 259 to 264)."""
    return -(-classes // 8) * 8


class PretrainHeads(nn.Module):
    """Predict the element of an atom, the vocabulary label of a fragment and the type of a bond."""

    def __init__(self, hidden: int, vocabulary_size: int) -> None:
        super().__init__()
        self.atom = nn.Linear(hidden, NUM_ELEMENTS)
        self.fragment = nn.Linear(hidden, padded(vocabulary_size + 1))
        self.bond = nn.Linear(hidden, NUM_BOND_TYPES)

    def forward(self, atom: Tensor, fragment: Tensor) -> tuple[Tensor, Tensor]:
        """Return atom logits [A, 119] and fragment logits [P, padded vocabulary]."""
        return self.atom(atom), self.fragment(fragment)
