"""Stop a build early if most of the first rows of its input become rejects.

Only the first rows in the order of the input are judged, so the number of workers does not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pepland_data.builder.workers.convert_chunk import ShardSummary
from pepland_data.errors import TooManyRejectsError

FIRST_ROWS = 1000
"""Rows that are judged: whole chunks, until there are so many. A shorter input is not judged."""
MOST = 0.5
"""Smallest share of rejects that stops a build, whatever share is allowed."""
SHOWN = 3
"""Reasons that the message names."""


class FirstRows:
    """The chunks at the beginning of the input, which arrive in any order.

    Args:
        allowed: share of rejects that does not stop the build.
    """

    def __init__(self, allowed: float) -> None:
        self._allowed = allowed
        self._found: dict[int, ShardSummary] = {}
        self._judged = allowed >= 1.0

    def add(self, summary: ShardSummary) -> None:
        """Take one converted chunk.

        Raises:
            TooManyRejectsError: the first chunks and one more are there, and most rows are rejects.
        """
        if self._judged:
            return
        self._found[summary.number] = summary
        chunks, rows = list[ShardSummary](), 0
        while rows < FIRST_ROWS and (chunk := self._found.get(len(chunks))):
            chunks.append(chunk)
            rows += chunk.rows
        if rows < FIRST_ROWS or len(self._found) == len(chunks):
            return
        self._judged = True
        rejects = rows - sum(chunk.graphs for chunk in chunks)
        if rejects > max(self._allowed, MOST) * rows:
            raise TooManyRejectsError(self._message(chunks, rows, rejects))

    def _message(self, chunks: list[ShardSummary], rows: int, rejects: int) -> str:
        reasons = list(total(chunk.rejects for chunk in chunks).items())[:SHOWN]
        shown = "; ".join(f"{count:,} rows: {reason}" for reason, count in reasons)
        return (
            f"{rejects:,} of the first {rows:,} rows were rejected ({shown}), a larger share than "
            f"the {self._allowed:g} of --max-reject-frac; if that is right, run the same command "
            "with --max-reject-frac 1 to go on"
        )


def total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sum of several counts, largest first."""
    joined: Counter[str] = Counter()
    for one in counts:
        joined.update(one)
    return dict(sorted(joined.items(), key=lambda item: (-item[1], item[0])))
