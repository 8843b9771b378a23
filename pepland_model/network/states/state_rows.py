"""Which embeddings of a batch differ, so that a loss needs each of them once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from pepland_model.network.states.distinct_rows import distinct
from pepland_model.network.states.plan import Plan, ViewPlan
from pepland_model.network.states.rooms import Rooms


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
    assert plan.atoms is not None
    assert plan.fragments is not None
    if plan.junction is None:
        bare = Plan(*(replace(view, rows=None) for view in (plan.atoms, plan.fragments)), None)
        return StateRows(bare, None, None, _rows(plan.atoms), _rows(plan.fragments))
    atom = _rows(plan.atoms) << 32 | plan.junction.atom_rows
    fragment = _rows(plan.fragments) << 32 | plan.junction.fragment_rows
    atoms, fragments = (
        distinct(f"{name} embeddings", pairs, None, rooms)
        for name, pairs in (("atom", atom), ("fragment", fragment))
    )
    return StateRows(plan, atoms.first, fragments.first, atoms.of_row, fragments.of_row)


def _rows(view: ViewPlan) -> Tensor:
    assert view.rows is not None
    return view.rows
