"""The monomers of given files, in a form that travels to workers; without RDKit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Entry = tuple[str, str, str, tuple[tuple[int, str], ...], str]
"""Polymer, symbol, SMILES with ``[*:n]``, caps by n, and why the monomer cannot be used, or ''."""


@dataclass(frozen=True)
class GivenMonomers:
    """What some monomer libraries define: one entry for each symbol, the last file decides."""

    files: tuple[tuple[str, str], ...]
    """Name and SHA-256 of each file, in the given order."""
    content: bytes = field(repr=False)
    """The entries as compressed JSON; a library of 3,000 monomers takes 60 kB."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Sentences on monomers that cannot be used, or that replace others."""

    def record(self) -> list[dict[str, str]]:
        """Return names and checksums, as a manifest holds them."""
        return [{"name": name, "sha256": sha} for name, sha in self.files]

    def entries(self) -> tuple[list[Entry], frozenset[str]]:
        """Return the entries, and the symbols that RDKit reads in another way."""
        entries, redefined = json.loads(zlib.decompress(self.content))
        return [(p, s, m, tuple(map(tuple, c)), w) for p, s, m, c, w in entries], frozenset(
            redefined
        )


def packed(entries: Sequence[Entry], redefined: frozenset[str]) -> bytes:
    """Return entries as the content of `GivenMonomers`."""
    return zlib.compress(json.dumps([list(entries), sorted(redefined)]).encode())


def shown(record: Any) -> str:
    """Return the record of given monomers as text; any other value by its `repr`."""
    if not isinstance(record, list):
        return "none" if record is None else repr(record)
    return " + ".join(f"{one['name']} (SHA-256 {one['sha256'][:12]}...)" for one in record)
