"""The plan of the junction view: distinct fragments together with their atoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pepland_model.network.states.distinct import LIMIT, pack
from pepland_model.network.states.key_numbers import Ints, KeyNumbers


@dataclass(frozen=True, eq=False)
class JunctionPlan:
    """Distinct fragments with their atoms, and the row of each node of the batch among them."""

    atom_code: Tensor
    """[a] int64, atoms of the distinct fragments, side by side."""
    ptr: Tensor
    """[p+1] int64."""
    home: Tensor
    """[a] int64, distinct fragment of each atom."""
    fragment_code: Tensor
    """[p] int64."""
    atom_rows: Tensor | None
    """[A] int64, row among the a; None if every row is computed."""
    fragment_rows: Tensor | None
    """[P] int64, row among the p; None as above."""

    def to(self, device: torch.device | str) -> JunctionPlan:
        """Return the plan on another device."""
        values = (self.atom_code, self.ptr, self.home, self.fragment_code)
        rows = (self.atom_rows, self.fragment_rows)
        moved = (None if r is None else r.to(device) for r in rows)
        return JunctionPlan(*(v.to(device) for v in values), *moved)


def plain_junction(atom_code: Tensor, home: Tensor, fragment_code: Tensor) -> JunctionPlan:
    """Return the plan that computes every row, atoms sorted by fragment, without a host sync."""
    home, order = torch.sort(home.long(), stable=True)
    rows = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=home.device))
    ptr = torch.searchsorted(home, torch.arange(len(fragment_code) + 1, device=home.device))
    return JunctionPlan(atom_code.long()[order], ptr, home, fragment_code.long(), rows, None)


def distinct_junction(atom_code: Tensor, home: Tensor, fragment_code: Tensor) -> JunctionPlan:
    """Return the plan that computes each distinct fragment once: its row and its atoms' rows.

    Args:
        atom_code: [A] int, on the CPU.
        home: [A] int, fragment of each atom.
        fragment_code: [P] int.
    """
    codes, homes = atom_code.long().numpy(), home.long().numpy()
    fragments = fragment_code.long().numpy()
    if max(len(fragments), codes.max(initial=0), fragments.max(initial=0)) >= LIMIT:
        return plain_junction(atom_code, home, fragment_code)  # more than a key has room for
    order = np.lexsort((codes, homes))
    ptr = np.searchsorted(homes[order], np.arange(len(fragments) + 1))
    classes, first = _groups(fragments, codes[order], ptr)
    sizes = np.diff(ptr)[first]
    new_ptr = np.concatenate([[0], np.cumsum(sizes)])
    new_home = np.repeat(np.arange(len(first)), sizes)
    entries = np.arange(new_ptr[-1]) + (ptr[first] - new_ptr[:-1])[new_home]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - ptr[homes[order]]
    arrays = (
        codes[order][entries], new_ptr, new_home, fragments[first],
        new_ptr[classes[homes]] + rank, classes,
    )  # fmt: skip
    return JunctionPlan(*(torch.from_numpy(a) for a in arrays))


def _groups(fragments: Ints, codes: Ints, ptr: Ints) -> tuple[Ints, Ints]:
    """Number fragments by their row, size and sorted atom rows, two atoms at a time.

    Keys are compared only among fragments of one size, so shorter ones are left out of later
    rounds.
    """
    sizes, key = np.diff(ptr), fragments.copy()
    for column in range(0, int(sizes.max(initial=0)), 2):
        longer = np.flatnonzero(sizes > column)
        size, at = sizes[longer], ptr[longer] + column
        second = np.where(size > column + 1, codes[np.minimum(at + 1, len(codes) - 1)] + 1, 0)
        key[longer] = KeyNumbers().number(pack(key[longer], codes[at] + 1, second))[0]
    return KeyNumbers().number((key << 32) | sizes)
