"""The order of an epoch: a seeded bijection on 0..n-1, computed where it is asked for.

A four-round Feistel network permutes the next power of four; numbers that land outside 0..n-1 are
sent round again until they land inside (cycle walking), which keeps it a bijection. So a global
shuffle needs no array of n numbers, and its whole state is seed, epoch and position.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROUNDS = 4


def shuffled(places: npt.ArrayLike, n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return which of n rows stands at each place of an epoch's order.

    Args:
        places: [K] int, 0 <= place < n.
        n: number of rows.
        seed: of the run.
        epoch: each has an order of its own.

    Returns:
        [K] int64; over all places a permutation of 0..n-1.
    """
    half_bits = max(1, -(-(max(n, 2) - 1).bit_length() // 2))
    keys = np.random.default_rng([seed % 2**63, epoch]).integers(0, 2**63, ROUNDS, np.uint64)
    values = np.array(places, np.uint64, ndmin=1)
    outside = np.ones(len(values), bool)
    while outside.any():
        values[outside] = _feistel(values[outside], keys, half_bits)
        outside = values >= n
    return values.astype(np.int64)


def _feistel(
    values: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint64], half_bits: int
) -> npt.NDArray[np.uint64]:
    shift, mask = np.uint64(half_bits), np.uint64(2**half_bits - 1)
    left, right = values >> shift, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return (left << shift) | right


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scatter the bits of 64-bit numbers (the finaliser of splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
