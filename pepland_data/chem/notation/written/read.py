"""A text in a notation of chemists becomes HELM."""

from __future__ import annotations

import re
from functools import lru_cache

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.notation.written.biln import read_biln
from pepland_data.chem.notation.written.bridges import plain
from pepland_data.chem.notation.written.condensed import read_condensed
from pepland_data.chem.notation.written.names import Names
from pepland_data.chem.notation.written.proforma import read_proforma
from pepland_data.chem.notation.written.shapes import BILN_BOND, NOTATIONS, SEQUENCE
from pepland_data.chem.notation.written.structure import Peptide, UnreadableError
from pepland_data.errors import InvalidMoleculeError

CALLED = {
    "three-letter": "three-letter or condensed notation",
    "biln": "BILN",
    "proforma": "ProForma",
}
UNCLEAR = re.compile(r"[HL]-|(?:.*-)?D-[A-Z](?:-|$)")
"""BILN that a chemist may mean in another way: a free amine, an L or a D residue."""
SURE = re.compile(r"ac-|.*-am$|.*-[a-z]")
"""BILN that nothing else can be."""


def is_written(notation: str) -> bool:
    """Return whether a notation is read here."""
    return notation in NOTATIONS


def written_helm(
    text: str, notation: str, input_format: str, lowercase: str, given: GivenMonomers | None
) -> str:
    """Return a text as HELM.

    Args:
        text: the text.
        notation: one of `NOTATIONS`.
        input_format: the given format; ``auto`` refuses BILN that may be meant in another way.
        lowercase: ``refuse``, or ``d-amino`` for small letters that are D residues.
        given: monomers beside the bundled ones.

    Raises:
        InvalidMoleculeError: the text is wrong, or it stands for no one molecule.
    """
    try:
        return _peptide(text.strip(), notation, input_format, lowercase, given).helm()
    except UnreadableError as error:
        rare = SEQUENCE.issuperset(text) and input_format != notation  # a sequence with U or O
        called = "" if rare else f"no readable {CALLED[notation]}: "
        raise InvalidMoleculeError(text, "parse", f"{called}{error}") from None


def _peptide(
    text: str, notation: str, input_format: str, lowercase: str, given: GivenMonomers | None
) -> Peptide:
    names = _names(given)
    if notation == "biln":
        text = plain(text)
        if input_format == "auto":
            _check_clear(text)
        return read_biln(text, names)
    if notation == "proforma":
        return read_proforma(text, names)
    return read_condensed(text, names, lowercase == "d-amino")


def _check_clear(text: str) -> None:
    found = UNCLEAR.match(text)
    if found and not BILN_BOND.search(text) and not SURE.match(text):
        raise UnreadableError(
            f"{found[0][-4:].strip('-')!r} may be one residue or two, or a free end; give "
            "--input-format biln, or write the letters without hyphens"
        )


@lru_cache(maxsize=8)
def _names(given: GivenMonomers | None) -> Names:
    return Names(given)
