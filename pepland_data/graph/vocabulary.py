"""A vocabulary: the label of a fragment is the position of its SMILES in a list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pepland_data.errors import InputError

FRAGMENT = re.compile(r"[!#-&(-~]+").fullmatch
"""Matches what a SMILES can be: printable ASCII without blanks and quotes."""


@dataclass(frozen=True)
class Vocabulary:
    """Fragment SMILES in label order; the label ``len(vocabulary)`` means unknown."""

    fragments: tuple[str, ...]
    """[V] distinct canonical SMILES."""

    def __post_init__(self) -> None:
        if len(set(self.fragments)) != len(self.fragments):
            twice = next(f for f, count in Counter(self.fragments).items() if count > 1)
            raise InputError(f"the vocabulary has {twice!r} twice; remove one of the lines")

    def __len__(self) -> int:
        return len(self.fragments)

    @property
    def unknown(self) -> int:
        """The label of every fragment that is not in the vocabulary."""
        return len(self.fragments)

    @property
    def digest(self) -> str:
        """SHA-256 of the fragments in order, as hex."""
        return sha256("\n".join(self.fragments).encode()).hexdigest()

    @cached_property
    def _label(self) -> dict[str, int]:
        return {smiles: label for label, smiles in enumerate(self.fragments)}

    def labels(self, fragment_smiles: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the label of each fragment. [N] int64."""
        return np.array([self._label.get(s, self.unknown) for s in fragment_smiles], np.int64)

    @classmethod
    def of(cls, source: Vocabulary | Sequence[str] | str | Path) -> Vocabulary:
        """Return the vocabulary given as itself, as fragment SMILES, or as the path of a file."""
        if isinstance(source, Vocabulary):
            return source
        if isinstance(source, str | Path):
            return cls.from_file(source)
        return cls(tuple(source))

    @classmethod
    def from_file(cls, path: str | Path) -> Vocabulary:
        """Read a file with one fragment SMILES per line; InputError if that is impossible."""
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise InputError(
                f"cannot read vocabulary {path}: {error}; name a text file with one SMILES per line"
            ) from error
        fragments = tuple(line.strip() for line in lines if line.strip())
        if not fragments:
            raise InputError(f"vocabulary {path} is empty; expected one fragment SMILES per line")
        if wrong := next((f for f in fragments if not FRAGMENT(f)), None):
            raise InputError(
                f"vocabulary {path} has a line {wrong[:40]!a}; expected one fragment SMILES "
                "per line and nothing else"
            )
        try:
            return cls(fragments)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def write(self, path: str | Path) -> None:
        """Write a file with one fragment SMILES per line."""
        Path(path).write_text("".join(f"{s}\n" for s in self.fragments), encoding="utf-8")
