"""Message passing between each fragment and its atoms."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import linear, relu

from pepland_data.graph.feature_tables import ATOM_WIDTH
from pepland_model.network import kernels
from pepland_model.network.attention import Attention
from pepland_model.network.layers import PharmHGTLayers
from pepland_model.network.segments import segment_sum, take
from pepland_model.network.states.plan import JunctionPlan
from pepland_model.network.takers import Index


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
    to_fragment, to_atom = layers.mp.attn["ajp"], cast(Attention, layers.mp.attn["pja"])
    for _ in range(layers.config.rounds):
        j_p = to_fragment(j_p, j_a, every, every, plan.ptr, home) + j_p
        # An atom has one fragment, whose attention weight is 1: the value alone counts.
        j_a = take(to_atom.value_out(j_p), *home) + j_a
    last = layers.mp.node_last_layer["junc"]
    incoming = sum_of_atoms(j_a, plan.ptr, home, w.dtype)
    j_p = last(torch.cat([incoming, j_p, take(f_p, *fragment_code)], 1))
    return last(torch.cat([take(j_p, *home), j_a, take(f_a, *atom_code)], 1)), j_p


def sum_of_atoms(j_a: Tensor, ptr: Tensor, home: Index, dtype: torch.dtype) -> Tensor:
    """Return the sum of the states of each fragment's atoms. [p, d]."""
    if not kernels.runs_on(j_a.device):
        return segment_sum(j_a, ptr, *home).to(dtype)
    from pepland_model.network.kernels.segment_rows import segment_rows

    return segment_rows(j_a, (None, None), ptr, home[0])
