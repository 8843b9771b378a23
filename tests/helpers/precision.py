"""How far states and gradients of a network are from those in float64, relative to each tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model import PharmHGT

STATES = ("atoms", "fragments")
STATE_BOUND = 1e-5
"""States are continuous in the rounding of float32 (6e-8), of which some hundred operators add up:
3e-7 on a CPU. A card adds in another order, and is given thirty times as much. TensorFloat-32, of
which a single rounding is 5e-4, is above."""
GRADIENT_BOUND = 2e-4
"""A gradient jumps where the input of a ReLU rounds to the other side of zero. On a CPU one of
2,100,000 inputs of the golden batch does so, which moves a gradient by 2e-5 of its norm. Another
order of additions moves other inputs across zero: ten of them are allowed for. One wrong bond among
2,000 is further off (see the tests)."""


def states_and_gradients(net: PharmHGT, batch: HeteroBatch) -> dict[str, Tensor]:
    """Return the embeddings and, by name, the gradients of their sums of squares."""
    net.zero_grad()
    out = net(batch)
    states = (out.atom_embedding, out.fragment_embedding)
    torch.autograd.backward(sum(state.square().sum() for state in states))
    # Copies, as moving a module moves the gradients that it holds.
    found = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    return dict(zip(STATES, (state.detach() for state in states), strict=True)) | found


def errors(found: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """Return the norm of the difference of each tensor, relative to the norm of the exact one.

    The exact gradient of a key's bias is zero, as a softmax does not change when all its scores
    rise equally. What is there is rounding, and is compared with the gradient of the key's weight.
    """
    assert found.keys() == exact.keys()
    result = {}
    for name, value in exact.items():
        scale = exact[name.replace(".linears.1.bias", ".linears.1.weight")].norm()
        result[name] = float((found[name].cpu().double() - value).norm() / scale)
    return result


def too_far(found: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """Return the errors above their bounds, by name; NaN is above."""
    bounds = {name: STATE_BOUND if name in STATES else GRADIENT_BOUND for name in exact}
    return {name: e for name, e in errors(found, exact).items() if not e <= bounds[name]}
