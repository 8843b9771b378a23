"""Which texts stand for one molecule: 16 bytes that are equal where the molecules are.

Two molecules are one where RDKit's canonical SMILES, with isotopes and stereochemistry, are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

BYTES = 16


def of_molecule(mol: Any) -> bytes:
    """Return the identity of a molecule."""
    return _digest(Chem.MolToSmiles(mol))


def of_sequence(text: str) -> bytes:
    """Return the identity of a sequence among sequences, which needs no molecule."""
    return _digest(text)


def of_sequence_molecule(text: str) -> bytes:
    """Return the identity of a sequence among texts of all kinds."""
    return of_molecule(Chem.MolFromSequence(text))


def identities(by_position: Mapping[int, bytes], positions: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Return identities in the order of positions, [N, 16] uint8; [0, 16] where there are none."""
    joined = b"".join(by_position[i] for i in positions) if by_position else b""
    return np.frombuffer(joined, np.uint8).reshape(-1, BYTES).copy()


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=BYTES).digest()
