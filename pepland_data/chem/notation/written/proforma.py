"""ProForma 2 of the HUPO-PSI: ``[Acetyl]-EM[Oxidation]EVEES[UNIMOD:21]PEK``.

Modifications are read if they are a known structure at their residue. What stands for a mass, for
several structures or places, or for more than one peptide is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pepland_data.chem.notation.written.brackets import check_brackets, end_of_group
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.names import Names, Residue
from pepland_data.chem.notation.written.structure import Peptide, UnreadableError, token

SIGNS = {
    "{": "a labile or unlocalised group", "<": "a modification of all residues", "(": "a range",
    "?": "a modification of unknown place", "/": "a charge or a second chain", "+": "several ions",
}  # fmt: skip
"""Signs outside of brackets that stand for no one structure."""
NOT_ONE = "that is no one structure, so write HELM"
MASS = re.compile(r"(?:(?:[UMRXG]|Obs):)?[+-]\d.*", re.IGNORECASE)
PSI_MOD = re.compile(r"(?i:MOD|M):(\d+)")
UNIMOD = re.compile(r"(?i:UNIMOD|U):(\d+)")
NO_STRUCTURE = {"formula": "a formula", "glycan": "a composition of sugars", "g": "a glycan",
                "gno": "a glycan", "x": "a cross-link", "xlmod": "a cross-link",
                "r": "a RESID name", "resid": "a RESID name"}  # fmt: skip
Mod = Mapping[str, Any]


def read_proforma(text: str, names: Names) -> Peptide:
    """Return the peptide of a text.

    Args:
        text: the text.
        names: the names of the library in use.

    Raises:
        UnreadableError: a letter or a modification is no known structure at its place.
    """
    check_brackets(text)
    head, text = _head(text)
    text, tail = _tail(text)
    residues = _residues(text, names)
    chain = [_cap(head, "n", names)] if head else []
    chain += [token(residue.monomer) for residue in residues]
    chain += [_cap(tail, "c", names)] if tail else []
    return Peptide([chain])


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
    found = _accession(tag, residue.base) or _mod(tag, where).get("modification", "")
    fits = residue.base in _sites(tag)
    changed = names.modified(residue, found) if found and fits else None
    if changed is None:
        why = "a second modification" if residue.modified else "no one known structure there"
        raise UnreadableError(f"{where} is {why}")
    return changed


def _sites(tag: str) -> str:
    """Return the residues at which a tag is known."""
    psi = PSI_MOD.fullmatch(tag)
    if psi:
        return str(table()["psi_mod"].get(psi[1], ""))[:1]
    return str(_mod(tag, "").get("residues", ""))


def _accession(tag: str, base: str) -> str:
    """Return the group of a PSI-MOD accession, '' for any other tag."""
    psi = PSI_MOD.fullmatch(tag)
    known = str(table()["psi_mod"].get(psi[1], "")) if psi else ""
    return known[2:-1] if known.startswith(f"{base}(") else ""


def _cap(tag: str, end: str, names: Names) -> str:
    where = f"[{tag[:40]}] at the {end.upper()} end"
    name = _mod(tag, where).get(end)
    if name is None:
        raise UnreadableError(f"{where} is no one known structure there")
    return token(str(table()[f"{end}_caps"][name]))


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
    kind = tag.partition(":")[0].lower() if ":" in tag else ""
    if kind in NO_STRUCTURE:
        raise UnreadableError(f"{where} is {NO_STRUCTURE[kind]}, which is not read")
    accession = UNIMOD.fullmatch(tag)
    if accession:
        return _of_unimod().get(int(accession[1]), {})
    named: Mod = table()["proforma"].get(re.sub("^[Uu]:", "", tag), {})
    return named


@cache
def _of_unimod() -> dict[int, Mod]:
    return {mod["unimod"]: mod for mod in table()["proforma"].values()}
