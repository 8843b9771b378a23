"""The fragments of the pieces met so far, and the bonds that BRICS cuts in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pepland_data.chem.cuts import brics_cuts
from pepland_data.chem.fast.cut_pieces import CutPieces
from pepland_data.chem.fast.molecule_batch import Ints
from pepland_data.chem.plain_path import fragment_key
from pepland_data.graph.columns import ragged_rows
from pepland_data.graph.table_builder import TableBuilder

MAX_KEY_BYTES = 128 << 20
"""A cache with more bytes of keys is emptied before the next batch."""


@dataclass(frozen=True)
class PieceFragments:
    """What RDKit makes of one piece."""

    atom_fragment: list[int]
    """[a] fragment of each atom; fragments are numbered in the order of their first atoms."""
    fragment_code: list[int]
    """[f] code of each fragment."""
    brics: list[int]
    """[c] bonds that BRICS cuts, as places among the piece's bonds, in the order found."""


@dataclass
class Ragged:
    """A growing list of integer lists that is read as flat arrays."""

    rows: list[list[int]] = field(default_factory=list)
    _flat: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _ptr: Ints = field(default_factory=lambda: np.zeros(1, np.int64))

    def take(self, chosen: Ints) -> tuple[Ints, Ints]:
        """Return the chosen lists concatenated, and their pointers."""
        new = self.rows[len(self._ptr) - 1 :]
        if new:
            flat = np.array([value for row in new for value in row], np.int64)
            ends = self._ptr[-1] + np.cumsum([len(row) for row in new])
            self._flat, self._ptr = np.append(self._flat, flat), np.append(self._ptr, ends)
        rows, ptr = ragged_rows(self._ptr, chosen)
        return self._flat[rows], ptr


class PieceCache:
    """The fragments of pieces by key, of limited size; it counts look-ups and new pieces."""

    def __init__(self) -> None:
        self.asked = 0
        self.solved = 0
        self.emptied = 0
        self.clear()

    def clear(self) -> None:
        """Empty the cache."""
        self._number: dict[Any, int] = {}
        self.key_bytes = 0
        self.atom_fragment, self.fragment_code, self.brics = Ragged(), Ragged(), Ragged()

    def make_room(self) -> None:
        """Empty the cache if it is too large."""
        if self.key_bytes > MAX_KEY_BYTES:
            self.emptied += 1
            self.clear()

    def look_up(self, keys: list[Any]) -> Ints:
        """Return the number of each known piece, -1 for others. [K] int64."""
        self.asked += len(keys)
        return np.fromiter((self._number.get(key, -1) for key in keys), np.int64, len(keys))

    @property
    def known(self) -> int:
        """Number of pieces found in the cache or earlier in their own batch."""
        return max(self.asked - self.solved, 0)

    def number(self, key: Any) -> int:
        """Return the number of a piece that was added."""
        return self._number[key]

    def add(self, key: Any, piece: PieceFragments) -> int:
        """Store a piece under its key and return its number; a piece may have no key."""
        number = len(self.fragment_code.rows)
        self.solved += 1
        self.atom_fragment.rows.append(piece.atom_fragment)
        self.fragment_code.rows.append(piece.fragment_code)
        self.brics.rows.append(piece.brics)
        self.key_bytes += 8 * len(piece.atom_fragment)
        if key is not None:
            self._number[key] = number
            self.key_bytes += len(key[0]) + len(key[1])
        return number


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
