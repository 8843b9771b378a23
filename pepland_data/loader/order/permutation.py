"""The order of an epoch: a seeded bijection on 0..n-1, computed place by place.

A four-round Feistel network permutes the next power of four. Numbers outside 0..n-1 are permuted
again until they are inside (cycle walking), so the result is a bijection. A global shuffle needs no
array of n numbers, and its state is seed, epoch and position.

Sequential reads are faster on a cold disk. `block_shuffled` moves whole blocks of rows to random
places and shuffles only inside windows of a few blocks, so a window is read in a few long reads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pepland_data.hashing import mix

ROUNDS = 4
BLOCK_ROWS = 1024
"""Consecutive rows that stay in one window: about a megabyte of a store."""
WINDOW_BLOCKS = 16
"""Blocks whose rows are shuffled together."""

Rows = npt.NDArray[np.int64]


def shuffled(places: npt.ArrayLike, n: int, seed: int, epoch: int, stream: int = 0) -> Rows:
    """Return the row, out of n, at each place of the order of an epoch.

    Args:
        places: [K] int, 0 <= place < n.
        n: number of rows.
        seed: of the run.
        epoch: each epoch has its own order.
        stream: number of the order, if an epoch needs several.

    Returns:
        [K] int64; over all places a permutation of 0..n-1.
    """
    half_bits = max(1, -(-(max(n, 2) - 1).bit_length() // 2))
    words = [seed % 2**63, epoch, stream] if stream else [seed % 2**63, epoch]
    keys = np.random.default_rng(words).integers(0, 2**63, ROUNDS, np.uint64)
    values = _feistel(np.array(places, np.uint64, ndmin=1), keys, half_bits)
    outside = np.flatnonzero(values >= n)
    while len(outside):
        again = _feistel(values[outside], keys, half_bits)
        values[outside] = again
        outside = outside[again >= n]
    return values.astype(np.int64)


def block_shuffled(
    places: npt.ArrayLike,
    n: int,
    seed: int,
    epoch: int,
    block_rows: int = BLOCK_ROWS,
    window_blocks: int = WINDOW_BLOCKS,
) -> Rows:
    """Return the row, out of n, at each place; rows that are close in the store stay close.

    Blocks of `block_rows` rows are put into a seeded order. A window is `window_blocks` consecutive
    blocks of this order; the rows of a window are shuffled. The rows after the last complete block
    come last.

    Args:
        places: [K] int, 0 <= place < n.
        n: number of rows.
        seed: of the run.
        epoch: each epoch has its own order.
        block_rows: rows of a block.
        window_blocks: blocks of a window.

    Returns:
        [K] int64; over all places a permutation of 0..n-1.
    """
    wanted = np.array(places, np.int64, ndmin=1)
    blocks, window_rows = n // block_rows, block_rows * window_blocks
    moved = np.empty_like(wanted)
    windows = wanted // window_rows
    for window in np.unique(windows).tolist():
        here, start = windows == window, window * window_rows
        size = min(window_rows, n - start)
        moved[here] = start + shuffled(wanted[here] - start, size, seed, epoch, 2 + window)
    whole = moved < blocks * block_rows
    if whole.any():
        block = shuffled(moved[whole] // block_rows, blocks, seed, epoch, 1)
        moved[whole] = block * block_rows + moved[whole] % block_rows
    return moved


def _feistel(
    values: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint64], half_bits: int
) -> npt.NDArray[np.uint64]:
    shift, mask = np.uint64(half_bits), np.uint64(2**half_bits - 1)
    left, right = values >> shift, values & mask
    for key in keys:
        left, right = right, left ^ (mix(right ^ key) & mask)
    return (left << shift) | right
