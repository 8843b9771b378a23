"""Memory of batches is reused, but never while something refers to it."""

from __future__ import annotations

import numpy as np
import torch

from pepland_data import GraphLoader
from pepland_data.loader.tiers.host_buffers import HostBuffers
from tests.helpers.loader_checks import plain, same


def address(array) -> int:
    return array.__array_interface__["data"][0]


def test_a_block_is_reused_when_nothing_refers_to_it() -> None:
    blocks = HostBuffers(2)
    first = blocks.take(100)
    at = address(first)
    assert address(blocks.take(50)) != at
    del first
    assert address(blocks.take(80)) == at


def test_a_block_is_not_reused_while_a_view_or_tensor_of_it_exists() -> None:
    blocks = HostBuffers(1)
    at = address(blocks.take(64))
    holders = [
        lambda block: block[8:16].view(np.int32),
        lambda block: torch.from_numpy(block[:8]),
        lambda block: torch.from_numpy(block)[4:].view(2, 30),
        lambda block: torch.from_numpy(block).numpy()[1:],
        lambda block: iter([block[3:4]]),
    ]
    for hold in holders:
        held = hold(blocks.take(64))
        assert address(blocks.take(64)) != at
        del held
        assert address(blocks.take(64)) == at


def test_a_small_block_grows_and_no_more_blocks_are_kept_than_allowed() -> None:
    blocks = HostBuffers(1)
    assert len(blocks.take(10)) == 10
    assert len(blocks.take(1000)) == 1000
    held = [blocks.take(8) for _ in range(5)]
    assert len({address(block) for block in held}) == 5
    assert len(blocks._kept) == 1


def test_batches_that_the_consumer_keeps_do_not_change(small_store) -> None:
    for tier in ("mmap", "host"):
        loader = GraphLoader(small_store, batch_size=2, tier=tier)
        every_other, codes = [], []
        for number, batch in enumerate(loader):
            if number % 2:
                every_other.append(batch)
            else:
                codes.append((batch.graph_index.tolist(), batch.atom_code[1:]))
            del batch
        assert len(every_other) > 8
        assert all(same(b, plain(loader, b.graph_index.numpy())) for b in every_other)
        for graphs, kept in codes:
            assert torch.equal(kept, plain(loader, graphs).atom_code[1:])
