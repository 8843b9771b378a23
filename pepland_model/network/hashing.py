"""Hashes of 64-bit integers: the finaliser of SplitMix64, the same on every device.

Steele, Lea, Flood 2014, doi 10.1145/2660193.2660195; with wrapping multiplication and logical
shifts.
"""

from __future__ import annotations

from torch import Tensor


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


GOLDEN = _signed(0x9E3779B97F4A7C15)
"""2**64 / golden ratio."""
_STAGES = ((30, _signed(0xBF58476D1CE4E5B9)), (27, _signed(0x94D049BB133111EB)))


def mix(x: Tensor) -> Tensor:
    """Return the hashes of int64 values."""
    for shift, factor in _STAGES:
        x = (x ^ _shift(x, shift)) * factor
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix_int(x: int) -> int:
    """Return the hash of one integer, equal to that of `mix`, as a signed 64-bit integer."""
    x &= (1 << 64) - 1
    for shift, factor in _STAGES:
        x = ((x ^ (x >> shift)) * factor) & ((1 << 64) - 1)
    return _signed(x ^ (x >> 31))
