"""The identity of a molecule: 16 bytes that are equal for equal molecules.

Two molecules are equal if RDKit's canonical SMILES, with isotopes and stereochemistry, are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

BYTES = 16


def identity_of_molecule(mol: Any) -> bytes:
    """Return the identity of a molecule."""
    return identity_of_text(Chem.MolToSmiles(mol))


def identity_of_text(text: str) -> bytes:
    """Return the identity of a text that determines its molecule, as sequences among sequences."""
    return blake2b(text.encode(), digest_size=BYTES).digest()


def identity_array(
    by_position: Mapping[int, bytes], positions: Sequence[int]
) -> npt.NDArray[np.uint8]:
    """Return the identities at some positions, [N, 16] uint8; [0, 16] if there are none."""
    joined = b"".join(by_position[i] for i in positions) if by_position else b""
    return np.frombuffer(joined, np.uint8).reshape(-1, BYTES).copy()
