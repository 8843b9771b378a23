"""Condensed notation: residues between caps, as ``Ac-Ala-Gly-NH2``, ``H-RGD-OH``, ``cyclo(GP)``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pepland_data.chem.notation.residue_letters import rare_letter_fault
from pepland_data.chem.notation.written.brackets import check_brackets, end_of_group, split_at
from pepland_data.chem.notation.written.bridges import Bridge, plain, without_bridges
from pepland_data.chem.notation.written.condensed_words import residues_of
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.names import ENDS, Names, Residue
from pepland_data.chem.notation.written.structure import End, Peptide, UnreadableError, token
from pepland_data.chem.notation.written.variants import has_thiol

CYCLE = re.compile(r"(?:[Cc]yclo-?|[Cc]yc-?|c)(?=[(\[])")
"""How a ring begins, before its bracket."""
FLUORIDE = ("FMK", "fmk")


def read_condensed(text: str, names: Names, d_letters: bool) -> Peptide:
    """Return the peptide of a text.

    Args:
        text: the text.
        names: the names of the library in use.
        d_letters: whether a small letter is a D residue.

    Raises:
        UnreadableError: a name is unknown, or the text means two things or none.
    """
    text = plain(text)
    if text.isalpha() and text.isupper() and (fault := rare_letter_fault(text)):
        raise UnreadableError(fault)
    check_brackets(text)
    text, bridges = without_bridges(text)
    cycle = CYCLE.match(text)
    if cycle:
        residues, first = _cycle(text, cycle.end(), names, d_letters), 0
        chain = [token(residue.monomer) for residue in residues]
        bonds: list[tuple[End, End]] = [((0, len(chain) - 1, 2), (0, 0, 1))]
    else:
        residues, chain, first = _chain(_words(text), names, d_letters)
        bonds = []
    bonds += [_bridge(residues, first, bridge, names) for bridge in bridges]
    return Peptide([chain], bonds)


def _words(text: str) -> list[str]:
    words = split_at(text, "- ")
    if any(map(CYCLE.match, words[1:])):
        raise UnreadableError("a ring inside of a chain is not read; write it as HELM")
    if "" in words:
        raise UnreadableError(f"word {words.index('') + 1} is empty; delete the hyphen beside it")
    return words


def _cycle(text: str, start: int, names: Names, d_letters: bool) -> list[Residue]:
    """Return the residues of a ring from N to C, which ends close."""
    end = end_of_group(text, start)
    if end + 1 < len(text):
        raise UnreadableError(f"{text[end + 1 :][:40]!r} follows the ring; write it as HELM")
    inside = text[start + 1 : end].removeprefix("-").removesuffix("-")
    words = _words(inside)
    for word in (words[0], words[-1]) if len(words) > 1 else ():
        if len(word) > 1 and word in {**table()["n_caps"], **table()["c_caps"]}:
            raise UnreadableError(f"{word!r} is the end of a chain, but a ring has no ends")
    residues = residues_of(words, names, d_letters)
    if len(residues) < 2:
        raise UnreadableError("a ring needs two residues")
    if all(has_thiol(residues[i].monomer, names.given) for i in (0, -1)):
        raise UnreadableError(
            "the ring may be closed by a peptide bond or by the disulfide of its ends; write HELM"
        )
    _check_pyroglutamate(residues)
    return residues


def _chain(words: list[str], names: Names, d_letters: bool) -> tuple[list[Residue], list[str], int]:
    """Return residues, monomers of the chain, and the place of the first residue in it."""
    words, head, tail = _caps(words)
    residues = residues_of(words, names, d_letters)
    end = table()["c_caps"].get(tail, "")
    if tail in FLUORIDE and any(r.base in ("D", "E") and not r.modified for r in residues):
        raise UnreadableError(
            "Asp and Glu before FMK are often sold as methyl esters; write Asp(OMe) or Asp(OH)"
        )
    before = table()["n_caps"].get(head, "")
    _check_pyroglutamate(residues if before else residues[1:])
    if end in ENDS:
        residues[-1] = names.ended(residues[-1], end)
    chain = [before, *(r.monomer for r in residues), "" if end in ENDS else end]
    return residues, [token(monomer) for monomer in chain if monomer], int(bool(before))


def _caps(words: list[str]) -> tuple[list[str], str, str]:
    """Return the words between the caps, and the caps, '' where there is none."""
    n_caps, c_caps = table()["n_caps"], table()["c_caps"]
    head = words[0] if len(words) > 1 and words[0] in n_caps else ""
    words = words[1:] if head else words
    if words[-1].endswith("(ol)"):
        words = [*words[:-1], words[-1].removesuffix("(ol)"), "ol"]
    tail = words[-1] if len(words) > 1 and words[-1] in c_caps else ""
    words = words[:-1] if tail else words
    if not words or words == [""]:
        raise UnreadableError("no residue stands between the ends")
    if head == "H" and _has_letters(words):
        raise UnreadableError("H at the beginning is a free amine or histidine; write His or HELM")
    if words[-1] == "H" and not tail and any(len(word) > 1 for word in words):
        raise UnreadableError("H at the end is an aldehyde or histidine; write al or His")
    return words, head, tail


def _has_letters(words: Sequence[str]) -> bool:
    """Return whether a word is a residue of one letter; D, L and N before a code are none."""
    after = [*words[1:], ""]
    return any(
        len(word) == 1 and not (word in "DLN123" and len(follows) > 1)
        for word, follows in zip(words, after, strict=True)
    )


def _check_pyroglutamate(residues: Sequence[Residue]) -> None:
    """Refuse pyroglutamate among residues that have something before them."""
    for residue in residues:
        if residue.monomer == "Glp":
            raise UnreadableError(f"{residue.name!r} has no amine, so nothing can stand before it")


def _bridge(
    residues: Sequence[Residue], first: int, bridge: Bridge, names: Names
) -> tuple[End, End]:
    """Return the bond of a disulfide."""
    said = f"disulfide {bridge.one}-{bridge.two}"
    if bridge.one == bridge.two:
        raise UnreadableError(f"{said} joins a residue to itself")
    for number in bridge[:2]:
        if not 1 <= number <= len(residues):
            raise UnreadableError(f"{said}: there are {len(residues)} residues, no {number}")
        if not has_thiol(residues[number - 1].monomer, names.given):
            name = residues[number - 1].name
            raise UnreadableError(f"{said}: residue {number}, {name!r}, has no thiol")
    if not bridge.named and (bridge.one, bridge.two) == (1, len(residues)):
        raise UnreadableError(
            f"({bridge.one}-{bridge.two}) is a disulfide or the part of a protein; write "
            f"(disulfide bridge: {bridge.one}-{bridge.two}) for the first"
        )
    return (0, bridge.one - 1 + first, 3), (0, bridge.two - 1 + first, 3)
