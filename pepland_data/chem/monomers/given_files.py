"""Files of monomers become `GivenMonomers`, with notes on what they replace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pepland_data.chem.monomers.definition import POLYMERS, Monomer
from pepland_data.chem.monomers.given import Entry, GivenMonomers, packed
from pepland_data.chem.monomers.library import (
    MISREAD,
    MonomerLibrary,
    bundled_monomers,
    rdkit_differs,
)
from pepland_data.chem.monomers.library_files import LibraryFile, read_library
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.errors import MissingDependencyError
from pepland_data.files.atomic import file_sha256, utf8_name

SHOWN = 5
"""Symbols that a note names."""


def given_monomers(paths: Sequence[str | Path]) -> GivenMonomers | None:
    """Return the monomers of library files; None for no files.

    Later files win over earlier ones, and all over the bundled library and RDKit's HELM reader.

    Args:
        paths: XML, JSON, CSV or SDF files, see `library_files.read_library`.

    Raises:
        InputError: a file cannot be used.
        MissingDependencyError: helmkit is not installed.
    """
    if not paths:
        return None
    try:
        known: dict[tuple[str, str], Monomer] = bundled_monomers()
    except ImportError as error:
        raise MissingDependencyError(
            f"monomer libraries need helmkit ({error}); install 'pepland-data[build]'"
        ) from error
    entries: dict[tuple[str, str], Entry] = {}
    notes: list[str] = []
    for library in (read_library(Path(path)) for path in paths):
        notes += _notes(library, known)
        known |= library.monomers
        entries |= _entries(library)
    files = tuple((utf8_name(path), file_sha256(Path(path))) for path in paths)
    redefined = _redefined(list(entries.values()))
    if redefined:
        rdkit = "RDKit's HELM reader has other definitions, which are not used, of "
        notes.append(_sentence(rdkit, redefined))
    return GivenMonomers(files, packed(list(entries.values()), redefined), tuple(notes))


def _entries(library: LibraryFile) -> dict[tuple[str, str], Entry]:
    made: dict[tuple[str, str], Entry] = {
        key: (*key, monomer.smiles, monomer.caps, "") for key, monomer in library.monomers.items()
    }
    for key, why in library.faults.items():
        if key[0] in POLYMERS:  # others stand in no text that is read
            made[key] = (*key, "", (), f"{library.name}: {why}")
    return made


def _notes(library: LibraryFile, known: Mapping[tuple[str, str], Monomer]) -> list[str]:
    replaced = [
        symbol
        for (polymer, symbol), monomer in library.monomers.items()
        if known.get((polymer, symbol), monomer) != monomer
    ]
    notes = [_sentence(f"{library.name} replaces other definitions of ", replaced)]
    faults = [f"{symbol!r} ({why})" for (_, symbol), why in library.faults.items()]
    notes.append(_sentence(f"{library.name} has monomers that cannot be used: ", faults))
    return [note for note in notes if note]


def _sentence(text: str, symbols: Iterable[str]) -> str:
    """Return a text and some symbols with the number of the others, '' without symbols."""
    names = sorted(symbols)
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return text + ", ".join(names[:SHOWN]) + more if names else ""


def _redefined(entries: list[Entry]) -> frozenset[str]:
    library = MonomerLibrary(entries)
    with RdkitMessages():
        others = [entry for entry in entries if entry[1] not in MISREAD]
        return frozenset(entry[1] for entry in others if rdkit_differs(entry, library))
