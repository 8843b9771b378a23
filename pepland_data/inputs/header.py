"""Columns of an input: which one holds the text, and the names of the others."""

from __future__ import annotations

import re
import warnings
from collections.abc import Container
from itertools import chain, count
from pathlib import Path

from pepland_data.chem.notation.alphabet import AMINO_ACIDS
from pepland_data.errors import InputError
from pepland_data.inputs.text_lines import clean
from pepland_data.store.arrow_shards import FIXED_COLUMNS

TEXT_COLUMNS = ("smiles", "sequence", "peptide", "helm", "seq")
"""Names by which the text column is found, in this order; upper and lower case are equal."""
SEQUENCE_COLUMNS = ("seq", "peptide")
"""Column names that mean sequences, besides all names that contain ``sequence``."""
INDEX_COLUMN = re.compile(r"Unnamed: 0(?:\.\d+)*|__index_level_\d+__")
"""Names that pandas gives to the index of a data frame in a file."""


def column_names(header: list[str], text_at: int, left_out: Container[int] = ()) -> list[str]:
    """Return a unique name for each pass-through column, and '' for those that are left out.

    A name that another column or the shard itself uses gets a number: ``smiles_2``. An empty name
    becomes ``column_3``, after its position.
    """
    taken, found = set(FIXED_COLUMNS), list[str]()
    for position, name in enumerate(header):
        if position in left_out:
            found.append("")
            continue
        wanted = clean(name) or f"column_{position + 1}"
        tries = chain([wanted], (f"{wanted}_{number}" for number in count(2)))
        found.append(name if position == text_at else next(t for t in tries if t not in taken))
        if position != text_at:
            taken.add(found[-1])
    return found


def index_columns(header: list[str], text_at: int, path: Path) -> set[int]:
    """Return the positions of the index of a data frame, with a warning that it is left out."""
    found = {
        position
        for position, name in enumerate(header)
        if position != text_at and (INDEX_COLUMN.fullmatch(name) or (not name and position == 0))
    }
    for position in sorted(found):
        warnings.warn(
            f"{path}: column {header[position]!r} is the index of a data frame and was left out; "
            "--keep-index keeps it",
            stacklevel=2,
        )
    return found


def delimiter_of(header: str) -> str:
    """Return what divides the columns of a list with a header, '' if it is a list of one text."""
    for delimiter in "\t,;":
        names = [name.strip().strip('"').lower() for name in header.split(delimiter)]
        if len(names) == 1:
            continue
        if names[0] in TEXT_COLUMNS:
            return delimiter
        if {"smiles", "sequence", "helm"} & set(names) and not _is_molecule(names[0]):
            return delimiter
    return ""


def text_column(header: list[str], column: str | None, path: Path) -> int:
    """Return the index of the text column: the named one, a usual name, or the only column."""
    if column is not None:
        if column not in header:
            raise InputError(f"{path} has no column {column!r}; it has {', '.join(header)}")
        return header.index(column)
    lower = [name.lower() for name in header]
    for name in TEXT_COLUMNS:
        if name in lower:
            return lower.index(name)
    if len(header) == 1:
        return 0
    raise InputError(
        f"{path} has no column named smiles or sequence; name one with --smiles-column: "
        f"{', '.join(header)}"
    )


def holds_sequences(column: str) -> bool:
    """Return whether the name of a column means sequences."""
    name = column.lower()
    return "sequence" in name or name in SEQUENCE_COLUMNS


def check_header(names: list[str], path: Path) -> None:
    """Refuse a first line that holds a peptide: without a header its row would be lost."""
    known = {word for name in names for word in (name.lower(), name.lower().removesuffix("s"))}
    if known & set(TEXT_COLUMNS):
        return
    for name in names:
        if _is_molecule(name) or (len(names) == 1 and AMINO_ACIDS.issuperset(name)):
            raise InputError(
                f"the first line of {path} holds the peptide {name[:60]!r} where column names are "
                "expected; add a header line, or say --smiles-column if that is the name"
            )


def _is_molecule(text: str) -> bool:
    from rdkit import Chem

    from pepland_data.chem.rdkit_messages import RdkitMessages

    with RdkitMessages():
        return bool(text) and bool(Chem.MolFromSmiles(text) or Chem.MolFromHELM(text))
