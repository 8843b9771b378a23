"""Plans that compute every row of a batch; on a GPU, making them does not wait for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from pepland_model.network.edges import Edges
from pepland_model.network.states.plan import EdgeLevel, JunctionPlan, NodeLevel, ViewPlan


def every_row_plan(code: Tensor, edges: Edges, rounds: int) -> ViewPlan:
    """Return the plan that computes every node and edge.

    Args:
        code: [N] int, feature row of each node.
        edges: of the view.
        rounds: of message passing.
    """
    code = code.long()
    nodes, links = [], []
    for i in range(rounds + 1):
        own, inputs = (code, edges.code) if i == 0 else (None, None)
        nodes.append(NodeLevel(own, inputs, edges.in_ptr, edges.dst, code))
        if i < rounds:
            # Both directions of a bond have one code: below level 0 they are the same table row.
            links.append(EdgeLevel(edges.src, edges.code if i == 0 else edges.reverse, edges.code))
    return ViewPlan(tuple(nodes), tuple(links), None)


def every_row_junction(
    atom_code: Tensor, atom_fragment: Tensor, fragment_code: Tensor
) -> JunctionPlan:
    """Return the plan that computes every atom and fragment, atoms sorted by fragment.

    Args:
        atom_code: [A] int.
        atom_fragment: [A] int, fragment of each atom.
        fragment_code: [P] int.
    """
    home, order = torch.sort(atom_fragment.long(), stable=True)
    rows = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=home.device))
    ptr = torch.searchsorted(home, torch.arange(len(fragment_code) + 1, device=home.device))
    return JunctionPlan(atom_code.long()[order], ptr, home, fragment_code.long(), rows, None)
