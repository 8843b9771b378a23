"""One peptide as a heterograph, the central data structure of the project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.vocabulary import Vocabulary
from pepland_data.html_parts import shown_by


@dataclass(frozen=True, eq=False)
class HeteroGraph:
    """Atoms and fragments of one molecule as codes into feature tables."""

    smiles: str
    """The input text."""
    tables: FeatureTables
    """The feature rows of the codes; many graphs may share them."""
    columns: GraphColumns
    """The codes and indices of exactly one graph."""

    @property
    def num_atoms(self) -> int:
        """Number of atoms."""
        return len(self.columns.atom_code)

    @property
    def num_fragments(self) -> int:
        """Number of fragments."""
        return len(self.columns.fragment_code)

    def __eq__(self, other: object) -> bool:
        """Compare the feature rows behind the codes: graphs with other tables can be equal."""
        if not isinstance(other, HeteroGraph):
            return NotImplemented
        mine, theirs = self.dense(), other.dense()
        return self.smiles == other.smiles and all(
            np.array_equal(mine[name], theirs[name]) for name in mine
        )

    __hash__ = None  # type: ignore[assignment]

    _repr_html_ = shown_by("pepland_data.notebook", "graph_html")

    def dense(self) -> dict[str, npt.NDArray[Any]]:
        """Return the graph as plain arrays; the two directions of a bond follow each other.

        Returns:
            ``atom_x`` [A, 42] float32; ``atom_label`` [A, 2] int16; ``atom_maskable`` [A] bool;
            ``atom_residue``, ``atom_fragment`` [A] int32; ``fragment_x`` [P, 196] uint8;
            ``fragment_smiles`` [P] str; ``bond_index`` [2, E] int32, ``bond_x`` [E, 14] uint8;
            ``reaction_index`` [2, R] int32, ``reaction_x`` [R, 14] uint8.
        """
        c, t = self.columns, self.tables
        fragment_of = c.atom_fragment.astype(np.int64)
        return {
            "atom_x": t.atom_x[c.atom_code],
            "atom_label": t.atom_label[c.atom_code],
            "atom_maskable": t.fragment_maskable[c.fragment_code][fragment_of],
            "atom_residue": c.fragment_residue[fragment_of].astype(np.int32),
            "atom_fragment": c.atom_fragment.astype(np.int32),
            "fragment_x": t.fragment_x[c.fragment_code],
            "fragment_smiles": np.array(t.fragment_smiles, dtype=np.str_)[c.fragment_code],
            "bond_index": both_directions(c.bond_begin, c.bond_end),
            "bond_x": np.repeat(t.bond_x[c.bond_code], 2, axis=0),
            "reaction_index": both_directions(c.reaction_begin, c.reaction_end),
            "reaction_x": np.repeat(t.bond_x[c.reaction_code], 2, axis=0),
        }

    def fragment_label(self, vocab: Vocabulary | Sequence[str] | str) -> npt.NDArray[np.int64]:
        """Return the label of each fragment, ``len(vocab)`` if the vocabulary lacks it.

        Args:
            vocab: a `Vocabulary`, a list of fragment SMILES in label order, or the path of a file.

        Returns:
            [P] int64.
        """
        labels = Vocabulary.of(vocab).labels(self.tables.fragment_smiles)
        return labels[self.columns.fragment_code]


def both_directions(begin: npt.NDArray[Any], end: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return both directions of each bond: edge 2k is begin -> end. [2, 2B] int32."""
    index = np.empty((2, 2 * len(begin)), np.int32)
    index[0, 0::2] = index[1, 1::2] = begin
    index[1, 0::2] = index[0, 1::2] = end
    return index
