"""Data-parallel training on several cards of one machine.

The trainer sums all gradients in one float32 all-reduce after the backward pass, and before it the
counts of masked nodes in a tiny one. Neither overlaps with the passes. In a ring of n cards, each
sends and receives 2 (n - 1) / n of the bytes, in 2 (n - 1) steps (Patarasuk and Yuan 2009, doi
10.1016/j.jpdc.2008.09.002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pepland_model.estimate.cards import Card, positive, whole

COUNTS_BYTES = 3 * 4
"""Bytes of the counts of masked nodes: one float32 for each of three terms."""
STEP_LATENCY_S = 40e-6 / 14
"""Latency of a step of the ring. An all-reduce of 8 bytes takes about 40 us on eight RTX 4090
(NVIDIA/nccl issue 1530), which are 14 steps, and 6 us on two H100 (issue 1259), which are 2."""


class Share(NamedTuple):
    """Bandwidth of an all-reduce as a share of the bandwidth of a link one way."""

    slow: float
    fast: float


NVLINK = Share(116 / 300, 370 / 450)
"""Two H100 PCIe on a bridge (NVIDIA/nccl issue 1161, 2024); H100 SXM with a ring
(NVIDIA/nccl-tests issue 212, 2024)."""
PCIE_PEER = Share(20 / 32, 56 / 64)
"""A100 (NVIDIA/nccl-tests issue 178, 2023); RTX PRO 6000 on switches, copies between two cards
(voipmonitor/rtx6kpro, read 2026-11-27)."""
PCIE_HOST = Share(10 / 32, 20 / 32)
"""RTX 4090: 10 to 20 GB/s. Eight RTX 5090 reach 28 of 64 GB/s, four 35 (NVIDIA/nccl issue 1639,
2025)."""


@dataclass(frozen=True)
class Scaled:
    """A step on several cards, each with as many graphs as one card alone."""

    step_s: float
    """Seconds of a step."""
    all_reduce_s: float
    """Seconds of it in which the cards sum counts and gradients."""
    speedup: float
    """Graphs per second, as a multiple of those of one card."""
    efficiency: float
    """Speedup per card, 0 to 1."""


def scaled(step_s: float, gradient_bytes: int, gpus: int, card: Card, fast: bool = False) -> Scaled:
    """Return the step of several cards.

    Args:
        step_s: seconds of a step of one card alone, with its share of the batch.
        gradient_bytes: 4 for each parameter.
        gpus: number of cards in one machine.
        card: the cards.
        fast: as of `bus_gb_per_s`.

    Raises:
        InputError: a number is not above 0.
    """
    sums = (COUNTS_BYTES, gradient_bytes)
    all_reduce_s = sum(all_reduce_seconds(size, gpus, card, fast) for size in sums)
    efficiency = positive("step_s", step_s) / (step_s + all_reduce_s)
    return Scaled(step_s + all_reduce_s, all_reduce_s, gpus * efficiency, efficiency)


def all_reduce_seconds(gradient_bytes: int, gpus: int, card: Card, fast: bool = False) -> float:
    """Return the seconds of one sum over all cards of a machine; 0 for one card."""
    steps = 2 * (whole("gpus", gpus, least=1) - 1)
    moved = whole("gradient_bytes", gradient_bytes, least=1) * steps / gpus
    return moved / (1e9 * bus_gb_per_s(gpus, card, fast)) + steps * STEP_LATENCY_S


def bus_gb_per_s(gpus: int, card: Card, fast: bool = False) -> float:
    """Return the bandwidth with which each card of a ring sends and receives.

    Args:
        gpus: number of cards in one machine. NVLink is used if it joins all of them.
        card: the cards.
        fast: the upper end of what was measured; the lower end otherwise.
    """
    if gpus <= card.nvlink_cards:
        share, link = NVLINK, card.nvlink_gb_per_s / 2
    else:
        share, link = PCIE_PEER if card.peer_to_peer else PCIE_HOST, card.pcie_gb_per_s
    return link * (share.fast if fast else share.slow)
