"""Mask the atoms and fragments of a batch in one kernel, without a sort.

One program masks the atoms or the fragments of one graph, further ones write the rows of padding.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from pepland_model.network.hashing import GOLDEN
from pepland_model.network.kernels.jobs import device_of
from pepland_model.network.kernels.number_rows import mixed
from pepland_model.network.kernels.smallest_keys import BLOCK, keys_of, last_key, wanted_keys

if TYPE_CHECKING:
    from pepland_data.batch.hetero_batch import HeteroBatch

TAIL = 1024
ANY, BY_FRAGMENT, GIVEN = 0, 1, 2
"""Rules: every atom is a candidate, or those of some fragments; or the masked atoms are known."""


class Rule(NamedTuple):
    """Which atoms may be masked."""

    kind: int
    """`ANY`, `BY_FRAGMENT` or `GIVEN`."""
    flags: Tensor | None = None
    """Of `BY_FRAGMENT`, [Uf] bool: whether the atoms of fragments with this code are candidates.
    Of `GIVEN`, [A] bool: the masked atoms."""


@triton.jit
def _write(
    code, code_of, masked_of, label, target_of, row, used, taken, MASK_CODE: tl.constexpr,
    IGNORE: tl.constexpr, STRIDE: tl.constexpr,
):  # fmt: skip
    before = tl.load(code + row, mask=used, other=0)
    tl.store(code_of + row, tl.where(taken, MASK_CODE, before), mask=used)
    tl.store(masked_of + row, taken.to(tl.int8), mask=used)
    if STRIDE > 0:
        asked = tl.load(label + before.to(tl.int64) * STRIDE, mask=used & taken, other=0)
        tl.store(target_of + row, tl.where(taken, asked, IGNORE), mask=used)


@triton.jit
def _mask_graph(
    ptr, graph, graph_index, base, home, home_code, flags, code, code_of, masked_of, label,
    target_of, RATE: tl.constexpr, STREAM: tl.constexpr, RULE: tl.constexpr,
    IS_KNOWN: tl.constexpr, STRIDE: tl.constexpr, MASK_CODE: tl.constexpr,
    IGNORE: tl.constexpr, GOLDEN: tl.constexpr, BITS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    begin = tl.load(ptr + graph)
    end = tl.load(ptr + graph + 1)
    if IS_KNOWN:  # noqa: SIM108 - both sides of a conditional expression are compiled
        salt = base
    else:
        salt = tl.load(base + STREAM)
    per_graph = mixed(mixed(tl.load(graph_index + graph) ^ salt) + salt)
    lane = tl.arange(0, BLOCK)
    key = keys_of(
        per_graph, home, home_code, flags, begin + lane, begin, end, GOLDEN, BITS, RULE == 1
    )
    wanted = wanted_keys(
        key, RATE, per_graph, home, home_code, flags, begin, end, GOLDEN, BITS, RULE == 1, BLOCK
    )
    low, before = last_key(
        key, wanted, per_graph, home, home_code, flags, begin, end, GOLDEN, BITS, RULE == 1, BLOCK
    )
    room = wanted - before  # nodes with the last key: the first ones are masked
    start = begin
    while start < end:
        row = start + lane
        tied = (key == low).to(tl.int32)
        taken = (key < low) | ((tied > 0) & (tl.cumsum(tied, 0) <= room))
        room -= tl.sum(tied, 0)
        _write(
            code, code_of, masked_of, label, target_of, row, row < end, taken, MASK_CODE, IGNORE,
            STRIDE,
        )  # fmt: skip
        start += BLOCK
        key = keys_of(
            per_graph, home, home_code, flags, start + lane, begin, end, GOLDEN, BITS, RULE == 1
        )


@triton.jit
def _mask_given(
    ptr, graph, given, code, code_of, masked_of, label, target_of, MASK_CODE: tl.constexpr,
    IGNORE: tl.constexpr, STRIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    start = tl.load(ptr + graph)
    end = tl.load(ptr + graph + 1)
    while start < end:
        row = start + tl.arange(0, BLOCK)
        taken = tl.load(given + row, mask=row < end, other=0) != 0
        _write(
            code, code_of, masked_of, label, target_of, row, row < end, taken, MASK_CODE, IGNORE,
            STRIDE,
        )  # fmt: skip
        start += BLOCK


@triton.jit(do_not_specialize=["atom_base", "fragment_base"])
def _mask(
    atom_ptr, fragment_ptr, graph_index, atom_base, fragment_base, atom_code, atom_fragment,
    fragment_code, flags, label, atom_code_of, atom_masked, atom_target, fragment_code_of,
    fragment_masked, bond_target, graphs, atoms, fragments, bonds, ATOM_RATE: tl.constexpr,
    FRAGMENT_RATE: tl.constexpr, RULE: tl.constexpr, IS_KNOWN: tl.constexpr,
    MASK_CODE: tl.constexpr, IGNORE: tl.constexpr, STRIDE: tl.constexpr, GOLDEN: tl.constexpr,
    BITS: tl.constexpr, BLOCK: tl.constexpr, TAIL: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0).to(tl.int64)
    if program < graphs:
        if RULE == 2:
            _mask_given(
                atom_ptr, program, flags, atom_code, atom_code_of, atom_masked, label, atom_target,
                MASK_CODE, IGNORE, STRIDE, BLOCK,
            )  # fmt: skip
        else:
            _mask_graph(
                atom_ptr, program, graph_index, atom_base, atom_fragment, fragment_code, flags,
                atom_code, atom_code_of, atom_masked, label, atom_target, ATOM_RATE, 0, RULE,
                IS_KNOWN, STRIDE, MASK_CODE, IGNORE, GOLDEN, BITS, BLOCK,
            )  # fmt: skip
    elif program < 2 * graphs:
        _mask_graph(
            fragment_ptr, program - graphs, graph_index, fragment_base, fragment_code,
            fragment_code, fragment_code, fragment_code, fragment_code_of, fragment_masked, label,
            atom_target, FRAGMENT_RATE, 1, 0, IS_KNOWN, 0, MASK_CODE, IGNORE, GOLDEN, BITS,
            BLOCK,
        )  # fmt: skip
    else:
        row = (program - 2 * graphs) * TAIL + tl.arange(0, TAIL)
        none = row < 0
        used = (row < atoms) & (row >= tl.load(atom_ptr + graphs))
        _write(
            atom_code, atom_code_of, atom_masked, label, atom_target, row, used, none, MASK_CODE,
            IGNORE, STRIDE,
        )  # fmt: skip
        used = (row < fragments) & (row >= tl.load(fragment_ptr + graphs))
        _write(
            fragment_code, fragment_code_of, fragment_masked, label, atom_target, row, used, none,
            MASK_CODE, IGNORE, 0,
        )  # fmt: skip
        tl.store(bond_target + row, tl.zeros_like(row) + IGNORE, mask=row < bonds)


class Masks(NamedTuple):
    """What is masked, and what is to be predicted of atoms."""

    atom_code: Tensor
    """[A], the mask code where an atom is masked."""
    atom_masked: Tensor
    """[A] bool."""
    atom_target: Tensor
    """[A] int64."""
    fragment_code: Tensor
    """[P], the mask code where a fragment is masked."""
    fragment_masked: Tensor
    """[P] bool."""
    bond_target: Tensor
    """[B] int64, everywhere the target of bonds that are not masked."""


def masks(
    batch: "HeteroBatch", rule: Rule, bases: Sequence[int] | Tensor, rates: tuple[float, float],
    mask_code: int, ignore: int, bits: int,
) -> Masks:  # fmt: skip
    """Mask a batch.

    Args:
        batch: on a CUDA device.
        rule: which atoms may be masked.
        bases: see `pepland_model.train.mask.mask_bases`; on the device if this is a tensor.
        rates: shares of the atoms and fragments of a graph; nothing is masked if negative.
        mask_code: of masked nodes.
        ignore: target of what is not masked.
        bits: of a key.
    """
    b, graphs, label = batch, batch.num_graphs, batch.tables.atom_label
    sizes = len(b.atom_code), len(b.fragment_code), len(b.bond_code)
    out = Masks(
        torch.empty_like(b.atom_code),
        torch.empty_like(b.atom_code, dtype=torch.bool),
        torch.empty_like(b.atom_code, dtype=torch.int64),
        torch.empty_like(b.fragment_code),
        torch.empty_like(b.fragment_code, dtype=torch.bool),
        torch.empty_like(b.bond_code, dtype=torch.int64),
    )
    is_known = not isinstance(bases, Tensor)
    programs = 2 * graphs + triton.cdiv(max(sizes), TAIL)
    if not programs:
        return out
    flags = b.atom_code if rule.flags is None else rule.flags.view(torch.int8)
    with device_of(b.atom_code):
        _mask[(programs,)](
            b.atom_ptr, b.fragment_ptr, b.graph_index, bases[0] if is_known else bases,
            bases[1] if is_known else bases, b.atom_code, b.atom_fragment, b.fragment_code, flags,
            label, out.atom_code, out.atom_masked.view(torch.int8), out.atom_target,
            out.fragment_code, out.fragment_masked.view(torch.int8), out.bond_target, graphs,
            *sizes, ATOM_RATE=rates[0], FRAGMENT_RATE=rates[1], RULE=rule.kind, IS_KNOWN=is_known,
            MASK_CODE=mask_code, IGNORE=ignore, STRIDE=label.stride(0), GOLDEN=GOLDEN, BITS=bits,
            BLOCK=BLOCK, TAIL=TAIL, enable_fp_fusion=False,
        )  # fmt: skip
    return out
