"""Names of residues, caps and modifications become monomers, with `names.toml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.notation.alphabet import AMINO_ACIDS
from pepland_data.chem.notation.residue_letters import MEANINGS
from pepland_data.chem.notation.written.groups import branch_of, group_before, modified_monomer
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.structure import Residue, UnreadableError
from pepland_data.chem.notation.written.variants import (
    methylated,
    mirrored,
    points_of,
    reduced,
    with_cap,
)

PREFIXES = {
    "D-": "D", "L-": "L", "N-Me-": "N", "NMe-": "N", "(NMe)": "N", "(N-Me)": "N", "[NMe]": "N",
    "[N-Me]": "N", "N-Me": "N", "NMe": "N", "Me": "N", "d": "d",
}  # fmt: skip
"""Prefix of a residue -> D or d (D form), L, N (N-methylated)."""
METHYL = ("NMe", "N-Me")
"""What stands in brackets before an N-methylated residue."""
LONGEST_NAME = 60
"""Longer words are no name of a residue."""
MOST_KNOWN = 4096
"""Names that are remembered."""
ARYL = "[*:2]c"
"""How a cap begins whose point is at an aromatic ring; it is no monomer of its own."""
AMINES = ("K", "Orn", "Dab", "Dap")
ACIDS = ("D", "E", "Aad")
ENDS = ("al", "ol")
"""Caps that change the last residue instead of being monomers."""


@cache
def letter_monomers() -> dict[str, str]:
    """Return one-letter code -> monomer, selenocysteine and pyrrolysine included."""
    rare = {"U": table()["residues"]["Sec"], "O": table()["residues"]["Pyl"]}
    return {**{letter: letter for letter in AMINO_ACIDS}, **rare}


class Names:
    """Reads names with the monomers of one library."""

    def __init__(self, given: GivenMonomers | None) -> None:
        self.given = given
        self._known: dict[str, Residue] = {}

    def letter(self, letter: str) -> Residue:
        """Return the residue of a capital letter."""
        monomer = letter_monomers().get(letter)
        if monomer is None:
            said = f"stands for {MEANINGS[letter]}" if letter in MEANINGS else "is no residue"
            raise UnreadableError(f"{letter!r} {said}")
        return Residue(letter, monomer, letter)

    def residue(self, text: str, in_brackets: bool = False) -> Residue | None:
        """Return the residue of a name with its prefixes and a group, None if it is none.

        Args:
            text: the name.
            in_brackets: whether brackets keep it apart from other letters.
        """
        if len(text) > LONGEST_NAME:
            return None
        if text in self._known and not in_brackets:
            return self._known[text]
        found = self._residue(text, in_brackets)
        if found and not in_brackets and len(self._known) < MOST_KNOWN:
            self._known[text] = found
        return found

    def _residue(self, text: str, in_brackets: bool) -> Residue | None:
        name, kinds = _without_prefixes(text)
        name, group = _without_group(name)
        if name in table()["ambiguous"]:
            raise UnreadableError(f"{name!r} is ambiguous: {table()['ambiguous'][name]}")
        found = self._named(name, bool(set(kinds) & {"d", "N"}) or bool(group and in_brackets))
        if found is None:
            return None
        found = self.grouped(found, group) if group else found
        for kind in kinds.replace("d", "D").replace("L", ""):
            found = self.variant(found, kind)
        return replace(found, name=text)

    def _named(self, name: str, letters_too: bool) -> Residue | None:
        monomer = table()["residues"].get(name)
        if monomer is not None:
            return Residue(name, monomer, "" if "[*:" in monomer else monomer)
        return self.letter(name) if letters_too and name in letter_monomers() else None

    def modified(self, residue: Residue, group: str) -> Residue | None:
        """Return a residue with a group in its side chain, None if the table has none."""
        if residue.modified or not residue.base:
            return None
        monomer = modified_monomer(residue.base, group)
        if monomer is None:
            return None
        changed = replace(residue, monomer=monomer, modified=True, variants="")
        for kind in residue.variants:
            changed = self.variant(changed, kind)
        return changed

    def branched(self, residue: Residue, group: str) -> Residue | None:
        """Return a residue with a cap or a chain at its side-chain amine, None if unknown."""
        if residue.modified or not self.has_amine(residue):
            return None
        branch = branch_of(group, self.residue)
        changed = replace(residue, branch=branch, modified=True)
        if not branch or not branch[0].startswith(ARYL):
            return changed if branch else None
        cap, *others = branch
        if others:
            return replace(changed, branch=(with_cap(others[0], 1, cap, self.given), *others[1:]))
        return replace(changed, branch=(), monomer=with_cap(residue.monomer, 3, cap, self.given))

    def capped(self, residues: Sequence[Residue], cap: str) -> tuple[list[Residue], str]:
        """Return residues and the monomer of the cap before them; an aryl cap is in the first."""
        if not cap.startswith(ARYL):
            return list(residues), cap
        monomer = with_cap(residues[0].monomer, 1, cap, self.given)
        return [replace(residues[0], monomer=monomer), *residues[1:]], ""

    def grouped(self, residue: Residue, group: str) -> Residue:
        """Return a residue with the group in parentheses behind its name.

        Raises:
            UnreadableError: the group is unknown at this residue.
        """
        found = self.modified(residue, group) or self.branched(residue, group)
        if found is None:
            raise UnreadableError(f"{group!r} at {residue.name!r} is unknown")
        return found

    def has_amine(self, residue: Residue) -> bool:
        """Return whether the side chain has an amine with nothing at it."""
        return residue.base in AMINES and self._is_free(residue)

    def has_acid(self, residue: Residue) -> bool:
        """Return whether the side chain has an acid with nothing at it."""
        return residue.base in ACIDS and self._is_free(residue)

    def _is_free(self, residue: Residue) -> bool:
        return not residue.modified and 3 in points_of(residue.monomer, self.given)

    def variant(self, residue: Residue, kind: str) -> Residue:
        """Return the D form (``D``) or the N-methylated form (``N``) of a residue."""
        if kind in residue.variants:
            raise UnreadableError(f"{residue.name!r} has a prefix twice")
        make = mirrored if kind == "D" else methylated
        try:
            monomer = make(residue.monomer, self.given)
        except UnreadableError as error:
            what = "D form" if kind == "D" else "N-methyl form"
            raise UnreadableError(f"{what} of {residue.name!r}: {error}") from None
        return replace(residue, monomer=monomer, variants=residue.variants + kind)

    def ended(self, residue: Residue, end: str) -> Residue:
        """Return the last residue as an aldehyde or an alcohol."""
        return replace(residue, monomer=reduced(residue.monomer, end, self.given))


def _without_prefixes(text: str) -> tuple[str, str]:
    """Return a name and the kinds of its prefixes; a known name has none."""
    kinds, known = "", table()["residues"]
    while text not in known and text.partition("(")[0] not in known:
        prefix = next((p for p in PREFIXES if text.startswith(p)), "")
        if not prefix:
            break
        kinds += PREFIXES[prefix]
        text = text[len(prefix) :]
    return text, kinds


def _without_group(name: str) -> tuple[str, str]:
    """Return a name and the group before it or in parentheses at its end, if any."""
    if name in table()["residues"]:
        return name, ""
    if not name.endswith(")"):
        return group_before(name)
    name, _, group = name[:-1].partition("(")
    return name, group
