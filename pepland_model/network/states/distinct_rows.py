"""Numbers for equal keys, without a wait for the device.

Rows with equal keys form a class. Classes are numbered in the order of their first rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pepland_model.network.states.rooms import Rooms


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of N rows, in an array of `room` rows."""

    of_row: Tensor
    """[N] int64, class of each row."""
    first: Tensor
    """[room] int64, first row of each class; row 0 where there is no class."""
    found: Tensor
    """[] int32, number of classes."""

    @property
    def room(self) -> int:
        """Rows of the array."""
        return len(self.first)

    def live(self) -> Tensor:
        """Return which rows of the array are classes. [room] bool."""
        return torch.arange(self.room, device=self.first.device) < self.found


def distinct(name: str, key: Tensor, check: Tensor | None, rooms: Rooms) -> Classes:
    """Return the classes of rows with equal keys.

    Args:
        name: of the room; one row of it stays empty.
        key: [N] int64.
        check: [N] int64, equal within each class unless two different rows have one key, which the
            rooms are then told; None where a key holds all of a row.
        rooms: the size of the array.
    """
    rows = torch.arange(len(key), device=key.device)
    leader = leaders(key)
    is_first = leader == rows
    number = is_first.cumsum(0)
    found = is_first.sum(dtype=torch.int32)
    room = rooms.fit(name, found, spare=1)
    of_row = (number - 1)[leader].clamp_(max=room - 1)
    first = torch.zeros(room + 1, dtype=torch.int64, device=key.device)
    first.scatter_(0, torch.where(is_first, number - 1, room).clamp_(max=room), rows)
    if check is not None:
        rooms.refuse((check[leader] != check).any())
    return Classes(of_row, first[:room], found)


def leaders(key: Tensor) -> Tensor:
    """Return the first row with the same key as each row. [N] int64."""
    ordered, order = torch.sort(key, stable=True)
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[1:] = ordered[1:] != ordered[:-1]
    run = new.cumsum(0) - 1
    first = order.new_empty(len(key) + 1)
    first.scatter_(0, torch.where(new, run, len(key)), order)  # the last place is for the others
    return torch.empty_like(order).scatter_(0, order, first[run])
