"""Condensed notation: residues between caps, as ``Ac-Ala-Gly-NH2``, ``H-RGD-OH``, ``cyclo(GP)``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from pepland_data.chem.notation.foreign import CHANGED_PARENT
from pepland_data.chem.notation.residue_letters import rare_letter_fault
from pepland_data.chem.notation.written.brackets import check_brackets, end_of_group, split_at
from pepland_data.chem.notation.written.bridges import plain, without_bridges
from pepland_data.chem.notation.written.caps import (
    LIKE_LETTERS,
    check_no_letters,
    has_letters,
    leading_cap,
    trailing_cap,
)
from pepland_data.chem.notation.written.condensed_words import residues_of
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.names import ENDS, Names
from pepland_data.chem.notation.written.rings import (
    Pair,
    bonds_of,
    bridge_bond,
    check_numbers,
    ring_bond,
)
from pepland_data.chem.notation.written.structure import End, Peptide, Residue, UnreadableError
from pepland_data.chem.notation.written.variants import has_thiol

CYCLE = re.compile(r"(?:[Cc]yclo-?|[Cc]yc-?|c)(?=[(\[])")
"""How a ring begins, before its bracket."""
CYCLE_HYPHEN = re.compile(r"((?<![A-Za-z])[Cc]yc(?:lo)?)-(?=[(\[])")
"""A hyphen between the name of a ring and its bracket."""
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
    try:
        return _peptide(text, names, d_letters)
    except UnreadableError:
        if found := CHANGED_PARENT.fullmatch(text):
            raise UnreadableError(
                f"it changes {found['changes'][:60]} of {found['parent'][:40]!r}, whose sequence "
                "the text does not give; write the whole sequence"
            ) from None
        raise


def _peptide(text: str, names: Names, d_letters: bool) -> Peptide:
    if text.isalpha() and text.isupper() and (fault := rare_letter_fault(text)):
        raise UnreadableError(fault)
    check_brackets(text)
    text, bridges = without_bridges(text)
    if _is_ring(text):
        residues, before, after = _cycle(text, names, d_letters), "", ""
        bonds: list[tuple[End, End]] = [((0, len(residues) - 1, 2), (0, 0, 1))]
        pairs: list[Pair] = []
    else:
        residues, before, after, pairs = _chain(_words(text), names, d_letters)
        bonds = []
    check_numbers(residues)
    pairs += [bridge_bond(residues, bridge, names) for bridge in bridges]
    peptide = Peptide()
    peptide.add(residues, before, after)
    peptide.bonds += bonds + bonds_of(pairs, int(bool(before)))
    return peptide


def _is_ring(text: str) -> bool:
    """Return whether a word is a ring, and nothing else."""
    found = CYCLE.match(text) if text.endswith((")", "]")) else None
    return found is not None and end_of_group(text, found.end()) == len(text) - 1


def _words(text: str) -> list[str]:
    words = split_at(CYCLE_HYPHEN.sub(r"\1", text) if "yc" in text else text, "- ")
    if "" in words:
        raise UnreadableError(f"word {words.index('') + 1} is empty; delete the hyphen beside it")
    return words


def _inside(ring: str) -> list[str]:
    """Return the words of a ring, which has no caps."""
    inside = CYCLE.sub("", ring, count=1)[1:-1]
    words = _words(inside.removeprefix("-").removesuffix("-"))
    if any(map(_is_ring, words)):
        raise UnreadableError("a ring inside of a ring is not read; write it as HELM")
    for word in (words[0], words[-1]) if len(words) > 1 else ():
        if len(word) > 1 and word in {**table()["n_caps"], **table()["c_caps"]}:
            raise UnreadableError(f"{word!r} is the end of a chain, but a ring has no ends")
    return words


def _cycle(text: str, names: Names, d_letters: bool) -> list[Residue]:
    """Return the residues of a ring from N to C, which ends close."""
    residues = residues_of(_inside(text), names, d_letters)
    if len(residues) < 2:
        raise UnreadableError("a ring needs two residues")
    if all(has_thiol(residues[i].monomer, names.given) for i in (0, -1)):
        raise UnreadableError(
            "the ring may be closed by a peptide bond or by the disulfide of its ends; write HELM"
        )
    _check_pyroglutamate(residues)
    return residues


def _chain(
    words: list[str], names: Names, d_letters: bool
) -> tuple[list[Residue], str, str, list[Pair]]:
    """Return residues, the monomers of the caps, and the bonds that close rings in the chain."""
    words, head, tail = _caps(words)
    residues, rings = _with_rings(words, names, d_letters)
    end = table()["c_caps"].get(tail, "")
    if tail in FLUORIDE and any(r.base in ("D", "E") and not r.modified for r in residues):
        raise UnreadableError(
            "Asp and Glu before FMK are often sold as methyl esters; write Asp(OMe) or Asp(OH)"
        )
    before = table()["n_caps"].get(head, "")
    _check_pyroglutamate(residues if before else residues[1:])
    pairs = [ring_bond(residues, ring, (not head, not tail), names) for ring in rings]
    if end in ENDS:
        residues[-1] = names.ended(residues[-1], end)
    residues, before = names.capped(residues, before)
    return residues, before, "" if end in ENDS else end, pairs


def _with_rings(
    words: list[str], names: Names, d_letters: bool
) -> tuple[list[Residue], list[Pair]]:
    """Return the residues of words, and first and last residue of each ring among them."""
    if not any(map(_is_ring, words)):
        return residues_of(words, names, d_letters), []
    residues: list[Residue] = []
    rings: list[Pair] = []
    for is_ring, group in groupby(enumerate(words), lambda word: _is_ring(word[1])):
        for place, run in [(p, _inside(w)) for p, w in group] if is_ring else [_run(group)]:
            found = residues_of(run, names, d_letters, place)
            if is_ring:
                rings.append((len(residues), len(residues) + len(found) - 1))
            residues += found
    return residues, rings


def _run(group: Iterator[tuple[int, str]]) -> tuple[int, list[str]]:
    """Return the place of the first of the words, and these."""
    places, words = zip(*group, strict=True)
    return places[0], list(words)


def _caps(words: list[str]) -> tuple[list[str], str, str]:
    """Return the words between the caps, and the caps, '' where there is none."""
    count = leading_cap(words) if len(words) > 1 else 0
    head, words = "-".join(words[:count]), words[count:]
    if words and words[-1].endswith("(ol)"):
        words = [*words[:-1], words[-1].removesuffix("(ol)"), "ol"]
    count = trailing_cap(words)
    words, tail = words[: len(words) - count], "-".join(words[len(words) - count :])
    if not words or words == [""]:
        raise UnreadableError("no residue stands between the ends")
    if not LIKE_LETTERS.isdisjoint((head, tail)):
        check_no_letters(_flat(words), (head, tail))
    if head == "H" and has_letters(_flat(words)):
        raise UnreadableError("H at the beginning is a free amine or histidine; write His or HELM")
    if words[-1] == "H" and not tail and any(len(word) > 1 for word in words):
        raise UnreadableError("H at the end is an aldehyde or histidine; write al or His")
    return words, head, tail


def _flat(words: Sequence[str]) -> list[str]:
    """Return words, those of rings included."""
    return [part for word in words for part in (_inside(word) if _is_ring(word) else [word])]


def _check_pyroglutamate(residues: Sequence[Residue]) -> None:
    """Refuse pyroglutamate among residues that have something before them."""
    for residue in residues:
        if residue.monomer == "Glp":
            raise UnreadableError(f"{residue.name!r} has no amine, so nothing can stand before it")
