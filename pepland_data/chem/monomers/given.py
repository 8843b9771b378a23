"""The monomers of given files, in a form that travels to workers; without RDKit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pepland_data.errors import InputError

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
    try:
        names = [f"{one['name']} (SHA-256 {one['sha256'][:12]}...)" for one in record]
    except (TypeError, KeyError):
        names = []
    return " + ".join(names) or repr(record)


def check_same(store: object, recorded: Any, given: GivenMonomers | None) -> None:
    """Refuse monomers that are not those of a store.

    Args:
        store: path of the store, for the message.
        recorded: the entry ``monomers`` of its options, None if it has none.
        given: the monomers to use with it.

    Raises:
        InputError: they differ, so texts of the store could become other molecules.
    """
    found = None if given is None else given.record()
    if found != (None if recorded is None else [dict(one) for one in recorded]):
        remedy = "name the same files with --monomers" if recorded else "leave out --monomers"
        was, now = (shown(one) if one else "none" for one in (recorded, found))
        raise InputError(f"{store} was built with monomers {was}, given are {now}; {remedy}")
