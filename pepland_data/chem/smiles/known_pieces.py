"""The pieces that RDKit has been asked about: key -> the records of its atoms and bonds."""

from __future__ import annotations

import numpy as np

from pepland_data.chem.fast.ragged import Ragged, with_room
from pepland_data.chem.fast.word_table import Words, WordTable
from pepland_data.chem.smiles.rings import Ints

MAX_KEY_BYTES = 16 << 20
"""With more bytes of keys, all are forgotten before the next batch."""
UNKNOWN, REFUSED = -1, -2


class KnownPieces:
    """Answers by key. A key may also be known as one whose answer proves nothing: `REFUSED`."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all keys."""
        self._keys = WordTable()
        self._refused = np.zeros(64, np.bool_)
        self.atom_records, self.bond_records = Ragged(), Ragged()
        """Numbers in `DistinctRecords`, in the order of the key's atoms and bonds."""

    def __len__(self) -> int:
        return len(self._keys)

    def make_room(self) -> None:
        """Forget all keys if there are too many."""
        if self._keys.nbytes > MAX_KEY_BYTES:
            self.clear()

    def look_up(self, words: Words, ptr: Ints) -> Ints:
        """Return the number of each key, `UNKNOWN` or `REFUSED`. [K] int64."""
        numbers = self._keys.look_up(words, ptr)
        numbers[(numbers >= 0) & self._refused[numbers]] = REFUSED
        return numbers

    def add(self, key: Words, answer: tuple[list[int], list[int]] | None) -> None:
        """Add a new key with the records of its atoms and bonds, or None to refuse it."""
        number = self._keys.add(key)
        self._refused = with_room(self._refused, number + 1)
        self._refused[number] = answer is None
        atoms, bonds = answer or ([], [])
        self.atom_records.append(np.array(atoms, np.int64))
        self.bond_records.append(np.array(bonds, np.int64))
