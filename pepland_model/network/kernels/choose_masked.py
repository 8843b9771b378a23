"""Choose the nodes of each graph that are masked, in one kernel without a sort."""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from pepland_model.network.hashing import GOLDEN
from pepland_model.network.kernels.number_rows import mixed

BLOCK = 64
TAIL = 1024


@triton.jit
def _key(graph, base, position, GOLDEN: tl.constexpr, BITS: tl.constexpr):
    per_graph = mixed(mixed(graph ^ base) + base)
    return mixed(per_graph + position * GOLDEN) & ((1 << BITS) - 1)


@triton.jit
def _is_candidate(home, home_code, maskable, row, used, HAS_RULE: tl.constexpr):
    if HAS_RULE:
        of = tl.load(home + row, mask=used, other=0).to(tl.int64)
        kind = tl.load(home_code + of, mask=used, other=0).to(tl.int64)
        return used & (tl.load(maskable + kind, mask=used, other=0) != 0)
    return used


@triton.jit
def _choose(
    ptr, graph_index, base, home, home_code, maskable, chosen, graphs, count, IS_KNOWN: tl.constexpr,
    STREAM: tl.constexpr, RATE: tl.constexpr, GOLDEN: tl.constexpr, BITS: tl.constexpr,
    HAS_RULE: tl.constexpr, BLOCK: tl.constexpr, TAIL: tl.constexpr,
):  # fmt: skip
    graph = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, BLOCK)
    if graph >= graphs:  # rows of padding
        row = (graph - graphs) * TAIL + tl.arange(0, TAIL)
        used = (row < count) & (row >= tl.load(ptr + graphs))
        tl.store(chosen + row, tl.zeros_like(row).to(tl.int8), mask=used)
    else:
        begin = tl.load(ptr + graph)
        end = tl.load(ptr + graph + 1)
        number = tl.load(graph_index + graph)
        if not IS_KNOWN:
            base = tl.load(base + STREAM)
        found = tl.zeros([BLOCK], tl.int64)
        start = begin
        while start < end:
            row = start + lane
            found += _is_candidate(home, home_code, maskable, row, row < end, HAS_RULE).to(tl.int64)
            start += BLOCK
        total = tl.sum(found, 0)
        wanted = (total.to(tl.float64) * RATE + 1.0).to(tl.int64)
        wanted = tl.minimum(total, wanted)
        start = begin
        while start < end:
            row = start + lane
            used = row < end
            is_one = _is_candidate(home, home_code, maskable, row, used, HAS_RULE)
            key = _key(number, base, row - begin, GOLDEN, BITS)
            rank = tl.zeros([BLOCK], tl.int64)
            second = begin
            while second < end:
                other = second + lane
                is_other = _is_candidate(home, home_code, maskable, other, other < end, HAS_RULE)
                rival = _key(number, base, other - begin, GOLDEN, BITS)
                earlier = rival[None, :] < key[:, None]
                tied = (rival[None, :] == key[:, None]) & (other[None, :] < row[:, None])
                before = (earlier | tied) & is_other[None, :]
                rank += tl.sum(before.to(tl.int64), 1)
                second += BLOCK
            taken = is_one & (rank < wanted)
            tl.store(chosen + row, taken.to(tl.int8), mask=used)
            start += BLOCK


def choose_masked(
    ptr: Tensor,
    rows: int,
    graph_index: Tensor,
    bases: Sequence[int] | Tensor,
    stream: int,
    rate: float,
    rule: tuple[Tensor, Tensor, Tensor] | None,
    bits: int,
) -> Tensor:
    """Return which nodes are masked. [N] bool.

    Args:
        ptr: [G+1] int64, nodes of each graph; those after the last are padding.
        rows: N.
        graph_index: [G] int64.
        bases: see `pepland_model.train.mask.mask_bases`.
        stream: which of them.
        rate: share of the candidates of a graph.
        rule: None if every node is a candidate. Else fragment of each node [N] int, code of each
            fragment [P] int, and whether nodes of such fragments are candidates [Uf] bool.
        bits: of a key.
    """
    graphs, chosen = len(graph_index), torch.empty(rows, dtype=torch.int8, device=ptr.device)
    home, home_code, maskable = rule or (ptr, ptr, ptr.bool())
    is_known = not isinstance(bases, Tensor)
    programs = graphs + triton.cdiv(rows, TAIL)
    if programs:
        _choose[(programs,)](
            ptr, graph_index, bases[stream] if is_known else bases, home, home_code,
            maskable.view(torch.int8), chosen, graphs, rows, IS_KNOWN=is_known, STREAM=stream,
            RATE=rate, GOLDEN=GOLDEN, BITS=bits, HAS_RULE=rule is not None, BLOCK=BLOCK, TAIL=TAIL,
        )  # fmt: skip
    return chosen.view(torch.bool)
