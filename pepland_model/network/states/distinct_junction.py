"""The plan that computes each distinct fragment of the junction view once, with its atoms.

A fragment and its atoms exchange messages with nothing else. Two fragments of the same feature row
whose atoms have the same feature rows therefore have equal states.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pepland_model.network.states.every_row import every_row_junction
from pepland_model.network.states.key_numbers import LIMIT, Ints, KeyNumbers, pack
from pepland_model.network.states.plan import JunctionPlan


def distinct_junction(
    atom_code: Tensor, atom_fragment: Tensor, fragment_code: Tensor
) -> JunctionPlan:
    """Return the plan that computes each distinct fragment once.

    Args:
        atom_code: [A] int, on the CPU.
        atom_fragment: [A] int, fragment of each atom.
        fragment_code: [P] int.
    """
    codes, homes = atom_code.long().numpy(), atom_fragment.long().numpy()
    fragments = fragment_code.long().numpy()
    if max(len(fragments), codes.max(initial=0), fragments.max(initial=0)) >= LIMIT:
        return every_row_junction(atom_code, atom_fragment, fragment_code)
    order = np.lexsort((codes, homes))
    ptr = np.searchsorted(homes[order], np.arange(len(fragments) + 1))
    classes, first = fragment_classes(fragments, codes[order], ptr)
    sizes = np.diff(ptr)[first]
    new_ptr = np.concatenate([[0], np.cumsum(sizes)])
    new_home = np.repeat(np.arange(len(first)), sizes)
    place = np.arange(new_ptr[-1]) + (ptr[first] - new_ptr[:-1])[new_home]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - ptr[homes[order]]
    arrays = (
        codes[order][place], new_ptr, new_home, fragments[first],
        new_ptr[classes[homes]] + rank, classes,
    )  # fmt: skip
    return JunctionPlan(*(torch.from_numpy(a) for a in arrays))


def fragment_classes(fragments: Ints, codes: Ints, ptr: Ints) -> tuple[Ints, Ints]:
    """Return a class for each fragment (code, size, sorted atom codes), and where each is first.

    Two atoms at a time are folded into the keys of the fragments that have so many atoms. Sizes
    are part of the last key, so fragments of different sizes never share a class.

    Args:
        fragments: [P] int64, codes of the fragments.
        codes: [A] int64, codes of the atoms, sorted by fragment and code.
        ptr: [P+1] int64, atoms of each fragment.
    """
    sizes, key = np.diff(ptr), fragments.copy()
    for column in range(0, int(sizes.max(initial=0)), 2):
        longer = np.flatnonzero(sizes > column)
        size, at = sizes[longer], ptr[longer] + column
        second = np.where(size > column + 1, codes[np.minimum(at + 1, len(codes) - 1)] + 1, 0)
        key[longer] = KeyNumbers().number(pack(key[longer], codes[at] + 1, second))[0]
    return KeyNumbers().number((key << 32) | sizes)
