"""The published parameter names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pepland_data.errors import InputError


def published_shapes(live: Mapping[str, Tensor], hidden: int) -> dict[str, tuple[int, ...]]:
    """Return the 102 published names and their shapes.

    Args:
        live: state dict of a `PharmHGT`.
        hidden: its width.
    """
    return {name: tuple(value.shape) for name, value in live.items()} | _unused_shapes(hidden)


def _unused_shapes(d: int) -> dict[str, tuple[int, ...]]:
    """Return the parameters of the published module that no embedding uses."""
    shapes: dict[str, tuple[int, ...]] = {}
    for readout in ("readout", "readout_attn"):
        for i in range(4):
            shapes[f"{readout}.att_mix.linears.{i}.weight"] = (d, d)
            shapes[f"{readout}.att_mix.linears.{i}.bias"] = (d,)
        for way in ("", "_reverse"):
            shapes |= {f"{readout}.gru.weight_{s}_l0{way}": (3 * d, d) for s in ("ih", "hh")}
            shapes |= {f"{readout}.gru.bias_{s}_l0{way}": (3 * d,) for s in ("ih", "hh")}
    for i, (rows, columns) in {0: (d, 4 * d), 2: (d, d), 4: (1, d)}.items():
        shapes |= {f"out.{i}.weight": (rows, columns), f"out.{i}.bias": (rows,)}
    return shapes


def encoder_weights(
    state_dict: Mapping[str, Any], live: Mapping[str, Tensor], hidden: int
) -> dict[str, Tensor]:
    """Return the weights of a published state dict that the network has; check names and shapes.

    Args:
        state_dict: as published.
        live: state dict of the `PharmHGT` that will load them.
        hidden: its width.

    Raises:
        InputError: a name is missing or unknown, or a shape differs; names the first such entry.
    """
    expected = published_shapes(live, hidden)
    for name in live:
        if name not in state_dict:
            raise InputError(f"the state dict lacks {name!r}; expected the published 102 names")
    for name, value in state_dict.items():
        if name not in expected:
            raise InputError(f"the state dict holds {name!r}, which no published network has")
        shape = getattr(value, "shape", None)
        if shape is None:
            raise InputError(f"{name!r} is not a tensor but {type(value).__name__}")
        if tuple(shape) != expected[name]:
            shapes = f"{tuple(shape)}, expected {expected[name]}"
            raise InputError(f"{name!r} has shape {shapes}; check the hidden width")
    return {name: torch.as_tensor(state_dict[name]) for name in live}
