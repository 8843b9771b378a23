"""One part of an input, for array jobs: consecutive whole shards, the same for each job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pepland_data.errors import BuildError, InputError


@dataclass(frozen=True)
class Part:
    """Part number `number` of `of` parts, counted from 1."""

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
            raise InputError(f"part {text!r}; expected a number and a total, as 3/16")
        number, of = text.split("/")
        return cls(int(number), int(of))

    def rows(self, total: int, rows_per_shard: int) -> range:
        """Return the input rows of this part; parts differ by one shard at most.

        Args:
            total: rows of the whole input.
            rows_per_shard: every part starts at a multiple of this number.

        Raises:
            InputError: there are fewer shards than parts.
        """
        shards = -(-total // rows_per_shard)
        if shards < self.of:
            raise InputError(
                f"{total} rows are {shards} shards of {rows_per_shard} rows, too few for {self.of} "
                "parts; take fewer parts or fewer --rows-per-shard"
            )
        first, end = (shards * n // self.of for n in (self.number - 1, self.number))
        return range(first * rows_per_shard, min(end * rows_per_shard, total))


def joined_parts(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the manifest entry for consecutive parts of one input; None for other inputs.

    The entry for all parts together is that of a build of the whole input.

    Raises:
        BuildError: rows are missing between the parts, or occur twice.
    """
    starts = first_rows(inputs)
    if starts is None:
        return None
    first, end = starts[0], starts[0]
    for start, one in zip(starts, inputs, strict=True):
        if start != end:
            low, high = sorted((end, start))
            raise BuildError(
                f"input rows {low} to {high - 1} of {one['name']} are "
                f"{'missing' if start > end else 'there twice'}; give every part once"
            )
        end += one["rows"]
    total = inputs[0]["of_rows"]
    whole = {"name": inputs[0]["name"], "sha256": inputs[0]["sha256"], "rows": end - first}
    if (first, end) == (0, total):
        return whole
    return {**whole, "part": f"rows {first} to {end - 1}", "first_row": first, "of_rows": total}


def first_rows(inputs: Iterable[Mapping[str, Any]]) -> list[int] | None:
    """Return the first row of each part; None unless all are parts of the same input."""
    found = list(inputs)
    if not found or not all("first_row" in one for one in found):
        return None
    if len({(one["sha256"], one["of_rows"]) for one in found}) > 1:
        return None
    return [int(one["first_row"]) for one in found]
