"""A molecule cut into units, each as SMILES with its points: where it is joined to others.

The canonical SMILES of the molecule is cut as a text. So the same molecule gives the same units in
the same order, and RDKit is asked once about each text of a unit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from rdkit import Chem

from pepland_data.chem.residues.no_helm import NoHelmError

TOKEN = re.compile(r"(\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops*])|(\()|(\))|(%\d\d|\d)|(.)")
"""An atom, a parenthesis, the number of a ring closure, or a bond."""
LAST_CLOSURE = 99
"""Cut ring closures are numbered from here downwards."""
MOST_CLOSURES = 40
"""Ring closures that may be cut."""
KEPT = 1 << 16
"""Texts of units that are remembered."""
Bond = tuple[int, int]
"""The two atoms of a bond, in the order of the text."""


class _Segment:
    """A part of the text between cut bonds; ring closures may join it to others of its unit."""

    def __init__(self, before: Bond | None) -> None:
        self.words: list[str] = [] if before is None else ["*"]
        self.points: list[Bond] = [] if before is None else [before]
        self.tail: list[Bond] = []
        """Cut bonds of ring closures, whose points stand at the end."""
        self.tail_words: list[str] = []


class CutSmiles:
    """A SMILES without dots, cut at some bonds.

    Args:
        smiles: what RDKit wrote.
        bonds: the bonds to cut.

    Raises:
        NoHelmError: more than `MOST_CLOSURES` ring closures would be between two parts.
    """

    def __init__(self, smiles: str, bonds: Collection[Bond]) -> None:
        self._bonds = bonds
        self._segments = [_Segment(None)]
        self._segment_of: list[int] = []
        self._same: list[int] = [0]
        self._closures = 0
        self._scan(smiles)
        groups: dict[int, list[_Segment]] = {}
        for number, segment in enumerate(self._segments):
            groups.setdefault(self._first(number), []).append(segment)
        place = {first: unit for unit, first in enumerate(groups)}
        self.unit_of = [place[self._first(number)] for number in self._segment_of]
        """Unit of each atom."""
        self.units = [".".join(map(_text, group)) for group in groups.values()]
        """SMILES of each unit, not canonical; ``*`` is a point."""
        self.points = [[b for s in group for b in s.points + s.tail] for group in groups.values()]
        """The cut bond of each point of each unit, in the order of the SMILES."""

    def _scan(self, smiles: str) -> None:
        segment, atom = 0, -1
        stack: list[tuple[int, int]] = []
        opened: dict[str, tuple[int, int, int]] = {}
        for name, opens, closes, closure, bond in TOKEN.findall(smiles):
            if name:
                link, atom = (atom, len(self._segment_of)), len(self._segment_of)
                if link in self._bonds:
                    segment = self._start(segment, link)
                self._segment_of.append(segment)
            elif opens:
                stack.append((segment, atom))
            elif closes:
                segment, atom = stack.pop()
            words = self._segments[segment].words
            if closure and closure in opened:
                words.append(self._closed(closure, *opened.pop(closure), segment, atom))
                continue
            if closure:
                opened[closure] = (segment, atom, len(words))
            words.append(name or opens or closes or closure or bond)

    def _start(self, segment: int, link: Bond) -> int:
        """Begin a segment at a cut bond to the one before it; return its number."""
        self._segments[segment].words.append("*")
        self._segments[segment].points.append(link)
        self._segments.append(_Segment(link))
        self._same.append(len(self._same))
        return len(self._same) - 1

    def _closed(
        self, closure: str, first: int, first_atom: int, place: int, last: int, atom: int
    ) -> str:
        """Return the number of a ring closure at its second atom; a new one between segments."""
        cut = (first_atom, atom) in self._bonds
        if first == last and not cut:
            return closure
        self._closures += 1
        if self._closures > MOST_CLOSURES:
            raise NoHelmError(f"more than {MOST_CLOSURES} rings of it are made of residues")
        number = f"%{LAST_CLOSURE + 1 - self._closures}"
        self._segments[first].words[place] = number
        if cut:
            for segment in (self._segments[first], self._segments[last]):
                segment.tail_words.append(f".*{number}")
                segment.tail.append((first_atom, atom))
        else:
            self._same[self._first(last)] = self._first(first)
        return number

    def _first(self, segment: int) -> int:
        """Return the number that stands for all segments of a unit."""
        while self._same[segment] != segment:
            segment = self._same[segment]
        return segment


def _text(segment: _Segment) -> str:
    return "".join(segment.words + segment.tail_words)


def canonical(mol: Any) -> tuple[str, list[int]]:
    """Return the canonical SMILES of a molecule, and its atoms in the order of the text."""
    smiles = Chem.MolToSmiles(mol)
    return smiles, json.loads(mol.GetProp("_smilesAtomOutputOrder").replace(",]", "]"))


@lru_cache(maxsize=KEPT)
def known_form(unit: str) -> tuple[str, tuple[int, ...]]:
    """Return a unit as canonical SMILES, and its points in the order of that text.

    Args:
        unit: any SMILES of the unit; ``*`` is a point.

    Raises:
        NoHelmError: RDKit cannot read it.
    """
    mol = Chem.MolFromSmiles(unit)
    if mol is None:
        raise NoHelmError(f"its part {unit} cannot stand alone")
    smiles, order = canonical(mol)
    points = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    return smiles, tuple(points.index(atom) for atom in order if atom in points)


@lru_cache(maxsize=KEPT)
def joined_form(unit: str, place: int, group: str) -> str:
    """Return a unit and a group that is bonded to it as one unit, as canonical SMILES.

    Args:
        unit: canonical SMILES.
        place: the point of the unit that the group is bonded to.
        group: canonical SMILES with one point.
    """
    mol: Any = Chem.RWMol(Chem.MolFromSmiles(f"{unit}.{group}"))
    points = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    joined = (points[place], points[-1])
    mol.AddBond(*(point.GetNeighbors()[0].GetIdx() for point in joined), Chem.BondType.SINGLE)
    for atom in sorted((point.GetIdx() for point in joined), reverse=True):
        mol.RemoveAtom(atom)
    Chem.SanitizeMol(mol)
    return str(Chem.MolToSmiles(mol))
