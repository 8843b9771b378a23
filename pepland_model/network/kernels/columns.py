"""The columns of the arrays inside of `rounds`: a few more than the network has.

Each head has spare columns, so that a row has a multiple of 8 columns: 16 bytes in bf16. On an
H100, products with rows of 300 have 86 TFLOP/s in bf16, those with rows of 304 have 222. The first
spare column of a state is 1, and the bias is the column of the weights there: so one product has
the bias, and its gradient. The other spare columns are 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from pepland_model.network.kernels.gather_sum import gather_sums
from pepland_model.network.kernels.jobs import job

MULTIPLE = 8
"""A row has a multiple of so many columns."""


class Columns(NamedTuple):
    """How many columns the heads have, which follow each other in a row."""

    heads: int
    real: int
    """Columns of a head in the network."""
    wide: int
    """Columns of a head here."""

    @classmethod
    def of(cls, d: int, heads: int) -> Columns:
        """Return the least number of columns for states of width d, with one at least to spare."""
        real = d // heads
        spare = next(n for n in range(1, MULTIPLE + 1) if heads * (real + n) % MULTIPLE == 0)
        return cls(heads, real, real + spare)

    @property
    def size(self) -> int:
        """D, number of columns of a row."""
        return self.heads * self.wide

    def pad(self, *arrays: Tensor) -> list[Tensor]:
        """Return each array of rows [N, d] with their spare columns [N, D], in one launch."""
        made = [rows.new_empty(len(rows), self.size) for rows in arrays]
        fixed: Any = {"pad": self, "one": self.real}
        gather_sums(*(job(rows, to, None, **fixed) for rows, to in zip(arrays, made, strict=True)))
        return made

    def strip(self, rows: Tensor) -> Tensor:
        """Return rows [N, D] without their spare columns. [N, d]."""
        return rows.view(-1, self.heads, self.wide)[:, :, : self.real].flatten(1)
