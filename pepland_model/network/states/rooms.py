"""Rooms: how many rows each level of a plan has space for, where shapes may not depend on data.

A recorded program has arrays of fixed size. A batch with more distinct states than there is room
for is found on the device: `overflow` is then true, and nothing that was computed may be used.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

SLACK = 1.25
"""Room for so many times the rows of the first batch. Two batches of 512 masked peptides differ by
about 3 %, and 1.15 never overflowed in 2,000 steps of an H100."""
SPARE = 64
"""Rows added to this."""
TRIES = 5
"""Searches before giving up. One of a batch of a million nodes fails with a chance of 1e-7."""
T = TypeVar("T")


def with_slack(rows: int) -> int:
    """Return a room for so many rows and some more, a multiple of 64."""
    return -(-(int(rows * SLACK) + SPARE) // 64) * 64


@dataclass
class Rooms:
    """The rooms of one program, and what its last run needed of them."""

    sizes: Mapping[str, int] | None = None
    """Name -> rows; None for arrays of exact size, for which the host reads each size."""
    salt: int = 0
    """Changes the hashes of a search; see `refuse`."""
    counts: dict[str, Tensor] = field(default_factory=dict)
    """Name -> rows needed, [] int32."""
    most: dict[str, int] = field(default_factory=dict)
    """Name -> rows that fit, where sizes are fixed."""
    flags: list[Tensor] = field(default_factory=list)
    """Reasons of `refuse`, [] int32 each."""
    constants: dict[Hashable, Any] = field(default_factory=dict)
    """What is the same in every run; a recorded program reads it where it lies."""

    def kept(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` returned for a key; it is kept where sizes are fixed."""
        if self.sizes is None:
            return make()
        if key not in self.constants:
            self.constants[key] = make()
        return self.constants[key]

    def fit(self, name: str, needed: Tensor, spare: int = 0) -> int:
        """Note how many rows are needed, and return the rows of the array.

        Args:
            name: of the room.
            needed: [] int32.
            spare: rows of the room that must stay empty.
        """
        self.counts[name] = needed
        if self.sizes is None:
            return int(needed)
        size = self.sizes.get(name, 1)
        self.most[name] = size - spare
        return size

    def refuse(self, *flags: Tensor) -> None:
        """Note that two different rows have one hash, where one is not 0: another salt is needed.

        Args:
            *flags: [], of any dtype.
        """
        self.flags += [flag.int() for flag in flags]

    def overflow(self) -> Tensor:
        """Return whether the run since the last `clear` may not be used. [] bool."""
        found = [self.counts[name] for name in self.most] + self.flags
        if not found:
            return torch.zeros((), dtype=torch.bool)
        needed, sizes = torch.stack(found), [*self.most.values(), *[0] * len(self.flags)]
        most = self.kept("most", lambda: torch.tensor(sizes).to(needed.device))
        too_many: Tensor = (needed > most).any()
        return too_many

    def clear(self) -> None:
        """Forget the last run."""
        self.counts, self.most, self.flags = {}, {}, []

    def grown_to(self, needed: Rooms) -> Rooms:
        """Return rooms in which a search fits that had exact sizes; none shrinks. The host waits.

        Args:
            needed: of that search.
        """
        names = list(needed.counts)
        rows = torch.stack([needed.counts[name] for name in names]).tolist() if names else []
        before = self.sizes or {}
        sizes = {n: max(with_slack(r), before.get(n, 0)) for n, r in zip(names, rows, strict=True)}
        return Rooms(sizes, needed.salt + int(bool(needed.overflow())))


def exactly(search: Callable[[Rooms], T]) -> T:
    """Return the result of a search with arrays of exact sizes. The host waits.

    Where two different rows have one hash, the search is repeated with another salt.
    """
    for salt in range(TRIES):
        rooms = Rooms(salt=salt)
        found = search(rooms)
        if not bool(rooms.overflow()):
            return found
    raise RuntimeError(f"{TRIES} searches for equal states found collisions; report this batch")
