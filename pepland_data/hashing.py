"""64-bit hashes that are equal on every machine and in every release."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio, the increment of SplitMix64."""
Hashes = npt.NDArray[np.uint64]


def mix(x: Hashes) -> Hashes:
    """Return a hash of each number (the finaliser of SplitMix64, Steele et al. 2014). uint64."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def salted(x: Hashes, salt: int) -> Hashes:
    """Return a hash of each number that also depends on the salt. uint64."""
    with np.errstate(over="ignore"):
        return mix(x + np.uint64(salt % 2**64) * GOLDEN + GOLDEN)


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return a hash of each text (BLAKE2b). [N] uint64."""
    joined = b"".join(blake2b(t.encode(), digest_size=8).digest() for t in texts)
    return np.frombuffer(joined, "<u8").astype(np.uint64)


def uniform(x: Hashes) -> npt.NDArray[np.float64]:
    """Return hashes as numbers from 0 to below 1. float64."""
    return np.asarray((x >> np.uint64(11)).astype(np.float64) * 2.0**-53, np.float64)
