"""The fragments of the pieces met so far, and the bonds that BRICS cuts in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pepland_data.chem.cuts import brics_cuts
from pepland_data.chem.fast.cut_pieces import CutPieces
from pepland_data.chem.fast.molecule_batch import Ints
from pepland_data.chem.fast.piece_keys import PieceKeys
from pepland_data.chem.fast.ragged import Ragged
from pepland_data.chem.fast.word_table import Words, WordTable
from pepland_data.chem.plain_path import fragment_key
from pepland_data.graph.table_builder import TableBuilder

MAX_KEY_BYTES = 128 << 20
"""A cache with more bytes of keys and atoms is emptied before the next batch."""


@dataclass(frozen=True)
class PieceFragments:
    """What RDKit makes of one piece."""

    atom_fragment: list[int]
    """[a] fragment of each atom; fragments are numbered in the order of their first atoms."""
    fragment_code: list[int]
    """[f] code of each fragment."""
    brics: list[int]
    """[c] bonds that BRICS cuts, as places among the piece's bonds, in the order found."""


class PieceCache:
    """The fragments of pieces by key, of limited size; it counts look-ups and new pieces."""

    def __init__(self) -> None:
        self.asked = 0
        self.solved = 0
        self.emptied = 0
        self.clear()

    def clear(self) -> None:
        """Empty the cache."""
        self._keys = WordTable()
        self.atom_fragment, self.fragment_code, self.brics = Ragged(), Ragged(), Ragged()

    def make_room(self) -> None:
        """Empty the cache if it is too large."""
        if self._keys.nbytes + self.atom_fragment.values.nbytes > MAX_KEY_BYTES:
            self.emptied += 1
            self.clear()

    def look_up(self, keys: PieceKeys) -> Ints:
        """Return the number of each known piece, -1 for others. [K] int64."""
        numbers = self._keys.look_up(keys.words, keys.ptr)
        self.asked += len(numbers)
        return numbers

    @property
    def known(self) -> int:
        """Number of pieces found in the cache or earlier in their own batch."""
        return max(self.asked - self.solved, 0)

    def add(self, key: Words, piece: PieceFragments) -> int:
        """Store a piece under its key and return its number; an empty key is never found."""
        self.solved += 1
        self.atom_fragment.append(piece.atom_fragment)
        self.fragment_code.append(piece.fragment_code)
        self.brics.append(piece.brics)
        return self._keys.add(key)


def solve_pieces(
    mol: Any,
    cuts: list[int],
    wanted: dict[int, Ints],
    cut: str,
    tables: TableBuilder,
    step: Callable[[], None],
) -> dict[int, PieceFragments]:
    """Compute the fragments of some pieces of one molecule with RDKit.

    Args:
        mol: the molecule.
        cuts: bonds of the Amiibo rule, in the order found.
        wanted: number of a piece in the molecule -> its bonds, ascending.
        cut: ``adafrag`` or ``amiibo``.
        tables: the feature rows get their codes here.
        step: called before and after each value that a cache may know.
    """
    residues = CutPieces(mol, cuts)
    brics: dict[int, list[int]] = {number: [] for number in wanted}
    if cut == "adafrag" and cuts:
        brics = {number: brics_cuts(mol, *residues[number], step) for number in wanted}
    more = [bond for found in brics.values() for bond in found]
    parts = CutPieces(mol, [*cuts, *more]) if more else residues
    holder = {atom: number for number in wanted for atom in residues.atoms[number]}
    found: dict[int, list[Any]] = {number: [] for number in wanted}
    for number, atoms in enumerate(parts.atoms):
        if atoms[0] in holder:
            step()
            found[holder[atoms[0]]].append(parts[number])
    return {
        number: PieceFragments(
            _atom_fragment(residues.atoms[number], [atoms for _, atoms in found[number]]),
            [tables.fragments.code(fragment_key(mol, p, a, step)) for p, a in found[number]],
            [int(np.searchsorted(bonds, bond)) for bond in brics[number]],
        )
        for number, bonds in wanted.items()
    }


def _atom_fragment(atoms: tuple[int, ...], parts: list[tuple[int, ...]]) -> list[int]:
    of = {atom: number for number, members in enumerate(parts) for atom in members}
    return [of[atom] for atom in atoms]
