"""Which embeddings of a batch differ, so that a loss needs each of them once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from pepland_model.network.states.distinct_rows import distinct
from pepland_model.network.states.plan import Plan
from pepland_model.network.states.rooms import Rooms

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class StateRows:
    """The embeddings that a network computes for a batch, and which nodes have them."""

    plan: Plan
    """For `PharmHGT.forward`, with the two arrays below."""
    atom_rows: Tensor | None
    """[K] int64, atoms whose embeddings are computed; None for all rows of the plan."""
    fragment_rows: Tensor | None
    """[L] int64, the same for fragments."""
    of_atom: Tensor
    """[A] int64, embedding of each atom, among the K."""
    of_fragment: Tensor
    """[P] int64, embedding of each fragment, among the L."""


def state_rows(plan: Plan, rooms: Rooms) -> StateRows:
    """Return the distinct embeddings of a plan of distinct states.

    With the junction view an embedding is the mean of two states, one of each view.
    """
    views, junction = (known(plan.atoms), known(plan.fragments)), plan.junction
    rows = [known(view.rows) for view in views]
    if junction is None:
        atom_view, fragment_view = (view.states() for view in views)
        return StateRows(Plan(atom_view, fragment_view, None), None, None, *rows)
    homes = (known(junction.atom_rows), known(junction.fragment_rows))
    atoms, fragments = (
        distinct(f"{name} embeddings", (row << 32) | home, None, rooms)
        for name, row, home in zip(("atom", "fragment"), rows, homes, strict=True)
    )
    return StateRows(plan, atoms.first, fragments.first, atoms.of_row, fragments.of_row)


def known(value: T | None) -> T:
    """Return what a plan of distinct states has."""
    assert value is not None
    return value
