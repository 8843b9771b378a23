"""One part of an input, for array jobs: consecutive whole shards, cut the same way by each job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pepland_data.errors import BuildError, InputError


@dataclass(frozen=True)
class Part:
    """Part `number` of `of`, counted from 1."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise InputError(
                f"there is no part {self}; expected 1/{self.of} to {self.of}/{self.of}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Return the part that ``3/16`` names."""
        if not re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", text):
            raise InputError(f"part {text!r}; expected a number of all, as 3/16")
        number, of = text.split("/")
        return cls(int(number), int(of))

    def rows(self, total: int, rows_per_shard: int) -> range:
        """Return the input rows of this part; parts differ by one shard at most.

        Args:
            total: rows of the whole input.
            rows_per_shard: parts begin at multiples of it.

        Raises:
            InputError: there are fewer shards than parts.
        """
        shards = -(-total // rows_per_shard)
        if shards < self.of:
            raise InputError(
                f"{total} rows are {shards} shards of {rows_per_shard}, too few for {self.of} "
                "parts; take fewer parts or fewer --rows-per-shard"
            )
        first, end = (shards * n // self.of for n in (self.number - 1, self.number))
        return range(first * rows_per_shard, min(end * rows_per_shard, total))


def joined_parts(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what a manifest says of consecutive parts of one input, None if they are not that.

    All parts together are the whole input, which says no more of parts.

    Raises:
        BuildError: rows between the parts are missing, or there twice.
    """
    starts = first_rows(inputs)
    if starts is None:
        return None
    first, place = starts[0], starts[0]
    for start, one in zip(starts, inputs, strict=True):
        if start != place:
            low, high = sorted((place, start))
            raise BuildError(
                f"input rows {low} to {high - 1} of {one['name']} are "
                f"{'missing' if start > place else 'there twice'}; name every part once"
            )
        place += one["rows"]
    total = inputs[0]["of_rows"]
    whole = {"name": inputs[0]["name"], "sha256": inputs[0]["sha256"], "rows": place - first}
    if (first, place) == (0, total):
        return whole
    return {**whole, "part": f"rows {first} to {place - 1}", "first_row": first, "of_rows": total}


def first_rows(inputs: Iterable[Mapping[str, Any]]) -> list[int] | None:
    """Return the first row of each part, None where one is no part or they are of several."""
    found = list(inputs)
    if not found or not all("first_row" in one for one in found):
        return None
    if len({(one["sha256"], one["of_rows"]) for one in found}) > 1:
        return None
    return [int(one["first_row"]) for one in found]
