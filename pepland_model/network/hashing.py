"""Hashes of 64-bit integers, the same on every device.

They are the finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi 10.1145/2660193.2660195), with
wrapping multiplication and logical shifts.
"""

from __future__ import annotations

from torch import Tensor


def signed(value: int) -> int:
    """Return the lowest 64 bits of an integer as a signed integer."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


GOLDEN = signed(0x9E3779B97F4A7C15)
"""2**64 / golden ratio: the step of SplitMix64."""
STAGES = ((30, signed(0xBF58476D1CE4E5B9)), (27, signed(0x94D049BB133111EB)))
"""Shift and factor of the first two stages; the last stage is a shift by `LAST_SHIFT`."""
LAST_SHIFT = 31


def mix(x: Tensor) -> Tensor:
    """Return the hashes of int64 values, the same on every device."""
    for shift, factor in STAGES:
        x = (x ^ _shift(x, shift)) * factor
    return x ^ _shift(x, LAST_SHIFT)


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix_int(x: int) -> int:
    """Return the hash of one integer, equal to that of `mix`, as a signed 64-bit integer."""
    x &= (1 << 64) - 1
    for shift, factor in STAGES:
        x = ((x ^ (x >> shift)) * factor) & ((1 << 64) - 1)
    return signed(x ^ (x >> LAST_SHIFT))
