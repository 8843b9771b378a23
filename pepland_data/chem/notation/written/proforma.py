"""ProForma 2 of the HUPO-PSI: ``[Acetyl]-EM[Oxidation]EVEES[UNIMOD:21]PEK``.

Modifications are read if they are a known structure at their residue, and disulfides between two
of them (``C[MOD:00034#XL1]`` and ``C[#XL1]``) in one chain or several (``//``). What stands for a
mass, for several structures or places, or for more than one peptide is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pepland_data.chem.notation.written.brackets import check_brackets, end_of_group, split_at
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.names import Names
from pepland_data.chem.notation.written.structure import (
    End,
    Peptide,
    Residue,
    UnreadableError,
    check_connected,
)

SIGNS = {
    "{": "a labile or unlocalised group", "<": "a modification of all residues", "(": "a range",
    "?": "a modification of unknown place", "/": "a charge", "+": "several ions",
}  # fmt: skip
"""Signs outside of brackets that stand for no one structure."""
NOT_ONE = "that is no one structure, so write HELM"
CHARGE = re.compile(r"(?<!/)/-?\d.*$")
MASS = re.compile(r"(?:(?:[UMRXG]|Obs):)?[+-]\d.*", re.IGNORECASE)
ACCESSION = re.compile(r"(UNIMOD|U|MOD|M):(\d+)", re.IGNORECASE)
SECTIONS = {"u": "proforma", "unimod": "proforma", "m": "psi_mod", "mod": "psi_mod"}
"""Prefix of a name or an accession -> section of the table of names."""
NUMBERS = {"proforma": "unimod", "psi_mod": "psi_mod"}
NO_STRUCTURE = {"formula": "a formula", "glycan": "a composition of sugars", "g": "a glycan",
                "gno": "a glycan", "x": "a cross-link", "xlmod": "a cross-link",
                "r": "a RESID name", "resid": "a RESID name"}  # fmt: skip
HALF = ("half cystine", "m:half cystine", "mod:00798", "dehydro", "u:dehydro", "unimod:374")
"""A cysteine of a disulfide, without its partner."""
LABEL = re.compile(r"(.*)#(XL\w+)")
DISULFIDES = (
    "disulfide", "x:disulfide", "xlmod:02009", "mod:00034", "l-cystine (cross-link)",
    "m:l-cystine (cross-link)",
)  # fmt: skip
Mod = Mapping[str, Any]
Links = dict[str, list[tuple[str, End]]]
"""Label of a cross-link -> the name and the residue of each of its ends."""


def read_proforma(text: str, names: Names) -> Peptide:
    """Return the peptide of a text.

    Args:
        text: the text.
        names: the names of the library in use.

    Raises:
        UnreadableError: a letter or a modification is no known structure at its place.
    """
    check_brackets(text)
    peptide, links = Peptide(), Links()
    parts = split_at(text.replace("//", "\n"), "\n")
    if charge := CHARGE.search(parts[-1]):
        raise UnreadableError(
            f"{charge[0][:40]!r} is a charge, which is no part of the structure; remove it"
        )
    for number, part in enumerate(parts):
        _add_chain(part, number, peptide, links, names)
    peptide.bonds += _disulfides(links)
    check_connected(len(parts), peptide.bonds)
    return peptide


def _add_chain(text: str, number: int, peptide: Peptide, links: Links, names: Names) -> None:
    head, text = _head(text)
    text, tail = _tail(text)
    text, found = _without_links(text)
    residues = _residues(text, names)
    before = _cap(head, "n") if head and not _becomes(head, residues[0]) else ""
    if head and not before:
        residues[0] = _modified(residues[0], head, 1, names)
    for place, residue in enumerate(residues):
        if residue.monomer == "Glp" and (place or before):
            raise UnreadableError("pyroglutamate has no amine, so nothing can stand before it")
    for label, name, place in found:
        end = _half(residues, place, name, label)
        links.setdefault(label, []).append((name, (number, end + bool(before), 3)))
    peptide.add(residues, before, _cap(tail, "c") if tail else "")


def _becomes(tag: str, residue: Residue) -> bool:
    """Return whether a tag at the N end changes the first residue, as ``[Gln->pyro-Glu]``."""
    mod = _mod(tag, f"[{tag[:40]}] at the N end")
    return "to" in mod and residue.base in mod["residues"]


def _without_links(text: str) -> tuple[str, list[tuple[str, str, int]]]:
    """Return a chain without its cross-links, and label, name and place of each."""
    found, kept, letters, place = [], [], 0, 0
    while place < len(text):
        end = end_of_group(text, place) + 1 if text[place] == "[" else place + 1
        link = LABEL.fullmatch(text[place + 1 : end - 1])
        if link:
            found.append((link[2], link[1], letters - 1))
        else:
            kept.append(text[place:end])
        letters += text[place].isupper()
        place = end
    return "".join(kept), found


def _half(residues: Sequence[Residue], place: int, name: str, label: str) -> int:
    """Return the place of a cysteine of a disulfide."""
    where = f"[{name[:40]}#{label[:20]}] at residue {place + 1}"
    if name and name.lower() not in DISULFIDES:
        raise UnreadableError(f"{where} is a cross-link; only disulfides are read")
    if place < 0 or residues[place].base != "C" or residues[place].modified:
        raise UnreadableError(f"{where} is no free cysteine")
    return place


def _disulfides(links: Links) -> Iterator[tuple[End, End]]:
    """Yield the bonds of the cross-links."""
    ends = [end for pair in links.values() for _, end in pair]
    for label, pair in links.items():
        if len(pair) != 2 or not any(name for name, _ in pair):
            raise UnreadableError(f"cross-link {label[:20]!r} needs two cysteines and one name")
        if any(ends.count(end) > 1 for _, end in pair):
            raise UnreadableError(f"cross-link {label[:20]!r} is at a cysteine with another one")
        yield pair[0][1], pair[1][1]


def _head(text: str) -> tuple[str, str]:
    """Return the tag before the first residue, '' if there is none, and the rest."""
    if not text.startswith("["):
        return "", text
    end = end_of_group(text, 0)
    if text[end + 1 : end + 2] != "-":
        sign = text[end + 1 : end + 2]
        why = SIGNS.get(sign, "a modification without a place")
        raise UnreadableError(
            f"{text[: end + 1][:40]!r} is {why}, which stands for no one structure"
        )
    return text[1:end], text[end + 2 :]


def _tail(text: str) -> tuple[str, str]:
    """Return the residues, and the tag behind them, '' if there is none."""
    start = text.find("-[")
    if start < 0:
        return text, ""
    end = end_of_group(text, start + 1)
    if end + 1 < len(text):
        raise UnreadableError(f"{text[end + 1 :][:40]!r} follows the end of the chain")
    return text[:start], text[start + 2 : end]


def _residues(text: str, names: Names) -> list[Residue]:
    found: list[Residue] = []
    place = 0
    while place < len(text):
        letter = text[place]
        if letter == "[" and not found:
            raise UnreadableError("a modification stands before the first residue without a hyphen")
        if letter == "[":
            end = end_of_group(text, place)
            found[-1] = _modified(found[-1], text[place + 1 : end], len(found), names)
            place = end + 1
            continue
        if letter in SIGNS:
            raise UnreadableError(
                f"{letter!r} is {SIGNS[letter]}, which stands for no one structure"
            )
        try:
            found.append(names.letter(letter))
        except UnreadableError as error:
            raise UnreadableError(f"residue {len(found) + 1}: {error}") from None
        place += 1
    if not found:
        raise UnreadableError("it has no residues")
    return found


def _modified(residue: Residue, tag: str, number: int, names: Names) -> Residue:
    where = f"[{tag[:40]}] at residue {number}, {residue.name!r}"
    mod = _mod(tag, where)
    changed = None
    if not residue.modified and residue.base and residue.base in mod.get("residues", ""):
        changed = _changed(residue, mod, names)
    if changed is None:
        why = "a second modification" if residue.modified else "no one known structure there"
        raise UnreadableError(f"{where} is {why}")
    return changed


def _changed(residue: Residue, mod: Mod, names: Names) -> Residue | None:
    """Return a residue with a modification, or the residue that it becomes."""
    if "to" in mod:
        return replace(residue, monomer=table()["residues"][mod["to"]], modified=True)
    return names.modified(residue, mod["modification"])


def _cap(tag: str, end: str) -> str:
    where = f"[{tag[:40]}] at the {end.upper()} end"
    name = _mod(tag, where).get(end)
    if name is None:
        raise UnreadableError(f"{where} is no one known structure there")
    return str(table()[f"{end}_caps"][name])


def _mod(tag: str, where: str) -> Mod:
    """Return what the table says about a tag, nothing for an unknown one."""
    if not tag:
        raise UnreadableError(f"{where} is empty")
    if "#" in tag:
        raise UnreadableError(f"{where} is a group of places or a cross-link, which is not read")
    if "|" in tag:
        raise UnreadableError(f"{where} has several descriptions; give one")
    if MASS.fullmatch(tag):
        raise UnreadableError(f"{where} is a mass; {NOT_ONE}")
    if tag.lower() in HALF:
        raise UnreadableError(
            f"{where} is half a disulfide; write C[MOD:00034#XL1] and C[#XL1] for both cysteines"
        )
    kind = tag.partition(":")[0].lower() if ":" in tag else ""
    if kind in NO_STRUCTURE:
        raise UnreadableError(f"{where} is {NO_STRUCTURE[kind]}, which is not read")
    accession = ACCESSION.fullmatch(tag)
    if accession:
        return _of_number(SECTIONS[kind]).get(int(accession[2]), {})
    name = (tag.partition(":")[2] if kind in ("u", "m") else tag).lower()
    sections = [SECTIONS[kind]] if kind in ("u", "m") else list(NUMBERS)
    return next((_of_name(s)[name] for s in sections if name in _of_name(s)), {})


@cache
def _of_name(section: str) -> dict[str, Mod]:
    """Return the modifications by name, in small letters: case does not matter."""
    return {name.lower(): mod for name, mod in table()[section].items()}


@cache
def _of_number(section: str) -> dict[int, Mod]:
    return {mod[NUMBERS[section]]: mod for mod in table()[section].values()}
