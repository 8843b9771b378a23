"""Message passing between each fragment and its atoms."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from pepland_data.graph.feature_tables import ATOM_WIDTH
from pepland_model.network.attention import Attention
from pepland_model.network.kernels import devices as kernels
from pepland_model.network.layers import PharmHGTLayers
from pepland_model.network.segments import segment_sum, take
from pepland_model.network.states.plan import JunctionPlan
from pepland_model.network.takers import Index, whole


def junction_states(
    layers: PharmHGTLayers,
    atom_x: Tensor,
    fragment_x: Tensor,
    f_a: Tensor,
    f_p: Tensor,
    plan: JunctionPlan,
) -> tuple[Tensor, Tensor]:
    """Return j_h of the atoms and of the fragments that a plan names. [a, d] and [p, d].

    Args:
        layers: of the network.
        atom_x: [U, 42], table of the atoms.
        fragment_x: [V, 196], table of the fragments.
        f_a: [U, d], inputs for the rows of the atom table.
        f_p: [V, d], inputs for the rows of the fragment table.
        plan: rows to compute.
    """
    w, b, home = layers.w_junc.weight, layers.w_junc.bias, plan.index("atom_fragment")
    atom_code, fragment_code, every = (
        plan.index("atom_code"),
        plan.index("fragment_code"),
        (None, None),
    )
    # A row is [atom | 0] or [0 | fragment], so each kind needs its columns of the weight only.
    j_a = take(relu(linear(atom_x, w[:, :ATOM_WIDTH], b)), *atom_code)
    j_p = take(relu(linear(fragment_x, w[:, ATOM_WIDTH:], b)), *fragment_code)
    to_fragment, to_atom = (cast(Attention, layers.mp.attn[name]) for name in ("ajp", "pja"))
    by_kernel = kernels.runs_on(j_a.device)
    joint = to_fragment.joint() if by_kernel else None
    for _ in range(layers.config.rounds):
        j_p = to_fragment(j_p, j_a, every, every, plan.ptr, home, joint) + j_p
        # An atom has one fragment, whose attention weight is 1: the value alone counts.
        j_a = plus(j_a, to_atom.value_out(j_p), home)
    last = layers.mp.node_last_layer["junc"]
    if by_kernel:
        return last_by_kernel(cast(nn.Linear, last), j_a, j_p, f_a, f_p, plan)
    incoming = segment_sum(j_a, plan.ptr, *home).to(w.dtype)
    j_p = last(torch.cat([incoming, j_p, take(f_p, *fragment_code)], 1))
    return last(torch.cat([take(j_p, *home), j_a, take(f_a, *atom_code)], 1)), j_p


def plus(rows: Tensor, table: Tensor, index: Index) -> Tensor:
    """Return ``rows + table[index]``. [N, d]."""
    if not kernels.runs_on(rows.device):
        return take(table, *index) + rows
    from pepland_model.network.kernels.residual import residual

    return residual(rows, (table, whole(index, len(table))))


def last_by_kernel(
    last: nn.Linear, j_a: Tensor, j_p: Tensor, f_a: Tensor, f_p: Tensor, plan: JunctionPlan
) -> tuple[Tensor, Tensor]:
    """Return the last layer of the atoms and of the fragments.

    It is applied to each of its three parts, before rows are taken.
    """
    from pepland_model.network.kernels.residual import residual
    from pepland_model.network.kernels.segment_rows import segment_rows

    from_other, from_state, from_input = torch.split(last.weight, len(last.weight), 1)
    home = whole(plan.index("atom_fragment"), len(j_p))
    atom_code = whole(plan.index("atom_code"), len(f_a))
    fragment_code = whole(plan.index("fragment_code"), len(f_p))
    incoming = segment_rows(j_a, (None, None), plan.ptr, plan.atom_fragment)
    state = linear(j_p, from_state), (None, None)
    table = linear(f_p, from_input, last.bias), fragment_code
    j_p = residual(linear(incoming, from_other), state, table)
    taken = (linear(j_p, from_other), home), (linear(f_a, from_input, last.bias), atom_code)
    return residual(linear(j_a, from_state), *taken), j_p
