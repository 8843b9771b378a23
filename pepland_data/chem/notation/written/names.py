"""Names of residues, caps and modifications become monomers, with `names.toml`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.notation.alphabet import AMINO_ACIDS
from pepland_data.chem.notation.residue_letters import MEANINGS
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.structure import UnreadableError
from pepland_data.chem.notation.written.variants import methylated, mirrored, reduced

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
ENDS = ("al", "ol")
"""Caps that change the last residue instead of being monomers."""


@cache
def letter_monomers() -> dict[str, str]:
    """Return one-letter code -> monomer, selenocysteine and pyrrolysine included."""
    rare = {"U": table()["residues"]["Sec"], "O": table()["residues"]["Pyl"]}
    return {**{letter: letter for letter in AMINO_ACIDS}, **rare}


@dataclass(frozen=True)
class Residue:
    """A residue of a text."""

    name: str
    """As it stands in the text."""
    monomer: str
    """A symbol, or a SMILES with attachment points."""
    base: str = ""
    """The one-letter code of the residue of which it is a variant, or ''."""
    variants: str = ""
    """``D`` for a D form, ``N`` for an N-methylated residue."""
    modified: bool = False
    """Whether a group in parentheses belongs to it."""


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
        found = self.modified(found, group) if group else found
        if found is None:
            raise UnreadableError(f"{group!r} at {name!r} is unknown")
        for kind in kinds.replace("d", "D").replace("L", ""):
            found = self.variant(found, kind)
        return replace(found, name=text)

    def _named(self, name: str, letters_too: bool) -> Residue | None:
        monomer = table()["residues"].get(name)
        if monomer is not None:
            return Residue(name, monomer, monomer if len(monomer) == 1 else "")
        return self.letter(name) if letters_too and name in letter_monomers() else None

    def modified(self, residue: Residue, group: str) -> Residue | None:
        """Return a residue with a group in its side chain, None if the table has none."""
        monomer = table()["modified"].get(f"{residue.base}({group})")
        if monomer is None or residue.modified or not residue.base:
            return None
        changed = replace(residue, monomer=monomer, modified=True, variants="")
        for kind in residue.variants:
            changed = self.variant(changed, kind)
        return changed

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
    """Return a name and the group in parentheses at its end, if any."""
    if name in table()["residues"] or not name.endswith(")"):
        return name, ""
    name, _, group = name[:-1].partition("(")
    return name, group
