"""The published parameter names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pepland_model.network.model_files import check_weights


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
        InputError: see `check_weights`.
    """
    shapes = published_shapes(live, hidden)
    remedy = f"expected the published names and the shapes of hidden width {hidden}"
    check_weights(state_dict, shapes, live, "the state dict", remedy)
    return {name: torch.as_tensor(state_dict[name]) for name in live}
