"""One monomer: its structure with numbered attachment points, and what caps each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rdkit import Chem

POLYMERS = {"PEPTIDE": "aa", "RNA": "rna", "CHEM": "chem"}
"""Name of a polymer in HELM -> what helmkit calls its monomers."""
MOST_POINTS = 9
"""Attachment points are R1 to R9."""
LABEL = re.compile(r"_?R(\d+)")
CAP = re.compile(r"([A-Z][a-z]?)(?:H\d*)?")
FREE_ACYL = Chem.MolFromSmarts("[#0][CX3]=O")
"""An attachment point on a carbonyl carbon."""


EXPLICIT_H = "H1"
"""A cap that helmkit makes an atom; without it, a stereocentre with a free point is forgotten."""


class MonomerError(ValueError):
    """Why a monomer cannot be used, without its symbol."""


@dataclass(frozen=True)
class Monomer:
    """What a symbol stands for; two monomers are equal if they give equal molecules."""

    polymer: str
    """``PEPTIDE``, ``RNA`` or ``CHEM``."""
    symbol: str
    smiles: str
    """Canonical SMILES; ``[*:n]`` is attachment point n."""
    caps: tuple[tuple[int, str], ...]
    """Number of each attachment point, and the group at its place where nothing is bonded."""


def monomer_of(
    polymer: str,
    symbol: str,
    structure: Any,
    caps: Mapping[int, str] | None = None,
    places: Mapping[int, int] | None = None,
) -> Monomer:
    """Return a monomer after all checks.

    Args:
        polymer: a name in `POLYMERS`.
        symbol: its symbol.
        structure: an RDKit molecule, or a SMILES; its attachment points are atoms labelled
            ``_Rn`` (CXSMILES), ``[*:n]`` or ``Rn`` (mol file), or leaving groups as ``[OH:n]``.
        caps: group of each attachment point, as ``H`` or ``OH``; the usual one is taken for a
            point without: ``OH`` on a carbonyl carbon, else ``H``.
        places: atom of each attachment point, for structures without labels.

    Raises:
        MonomerError: the structure, a label or a cap cannot be used.
    """
    mol: Any = Chem.RWMol(parsed(structure) if isinstance(structure, str) else structure)
    leaving = _number_points(mol, places or _labels(mol))
    mol = _sanitised(mol)
    points = {a.GetAtomMapNum(): a for a in mol.GetAtoms() if a.GetAtomMapNum()}
    if not points:
        raise MonomerError("it has no attachment point")
    for number, atom in points.items():
        _check_point(number, atom)
    _check_core(mol)
    given = {**_usual_caps(mol, points), **leaving, **(caps or {})}
    return Monomer(polymer, symbol, Chem.MolToSmiles(mol), _checked_caps(given, points))


def parsed(smiles: str) -> Any:
    """Return a SMILES or CXSMILES as a molecule that is not sanitised.

    Raises:
        MonomerError: RDKit cannot read it.
    """
    parameters: Any = Chem.SmilesParserParams()
    parameters.sanitize = False
    parameters.removeHs = False
    mol = Chem.MolFromSmiles(re.sub(r"(?<=\S)\|\$", " |$", smiles), parameters)
    if mol is None or not mol.GetNumAtoms():
        raise MonomerError(f"its SMILES {smiles!r:.80} cannot be read")
    return mol


def _labels(mol: Any) -> dict[int, int]:
    """Return number -> atom of the labelled atoms."""
    labels: dict[int, int] = {}
    for atom in mol.GetAtoms():
        if number := _label(atom):
            if number in labels:
                raise MonomerError(f"R{number} labels two atoms")
            labels[number] = atom.GetIdx()
    return labels


def _label(atom: Any) -> int:
    """Return the number of an attachment point, 0 for any other atom."""
    for name in ("atomLabel", "molFileAlias", "dummyLabel"):
        if atom.HasProp(name) and (match := LABEL.fullmatch(atom.GetProp(name))):
            return int(match[1])
    if atom.HasProp("_MolFileRLabel"):
        return int(atom.GetUnsignedProp("_MolFileRLabel"))
    return int(atom.GetAtomMapNum())


def _number_points(mol: Any, places: Mapping[int, int]) -> dict[int, str]:
    """Make each labelled atom a dummy atom with its number; return the leaving groups replaced."""
    leaving = {}
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    for number, place in places.items():
        if not 1 <= number <= MOST_POINTS:
            raise MonomerError(f"it has R{number}; expected R1 to R{MOST_POINTS}")
        if not 0 <= place < mol.GetNumAtoms():
            raise MonomerError(f"R{number} is atom {place}, but it has {mol.GetNumAtoms()} atoms")
        atom = mol.GetAtomWithIdx(place)
        if atom.GetAtomicNum():
            leaving[number] = _leaving_group(number, atom)
            mol.ReplaceAtom(place, Chem.Atom(0))
        atom = mol.GetAtomWithIdx(place)
        for name in atom.GetPropNames(True, True):
            atom.ClearProp(name)
        atom.SetIsotope(0)
        atom.SetAtomMapNum(number)
    return leaving


def _leaving_group(number: int, atom: Any) -> str:
    """Return an atom ``[H:1]`` or ``[OH:2]`` as a cap."""
    group = str(atom.GetSymbol()) + "H" * int(atom.GetNumExplicitHs())
    if atom.GetDegree() != 1 or group not in ("H", "OH"):
        raise MonomerError(f"R{number} labels an atom {atom.GetSymbol()}, not an attachment point")
    return group


def _sanitised(mol: Any) -> Any:
    """Return a molecule with its stereochemistry, and with hydrogens as counts."""
    try:
        Chem.SanitizeMol(mol)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
        mol = Chem.RemoveHs(mol)
    except ValueError as error:
        raise MonomerError(f"its structure is wrong: {str(error).partition(chr(10))[0]}") from None
    if any(atom.GetAtomicNum() == 0 and not atom.GetAtomMapNum() for atom in mol.GetAtoms()):
        raise MonomerError("it has a '*' that is no numbered attachment point")
    return mol


def _check_point(number: int, atom: Any) -> None:
    bonds = atom.GetBonds()
    if len(bonds) != 1 or bonds[0].GetBondType() != Chem.BondType.SINGLE:
        raise MonomerError(f"R{number} is not joined by one single bond")
    if bonds[0].GetOtherAtom(atom).GetAtomicNum() == 0:
        raise MonomerError(f"R{number} is joined to no atom")


def _check_core(mol: Any) -> None:
    core = Chem.DeleteSubstructs(Chem.Mol(mol), Chem.MolFromSmarts("[#0]"))
    if len(Chem.GetMolFrags(core)) != 1:
        raise MonomerError("its structure is not in one piece without its attachment points")


def _usual_caps(mol: Any, points: Mapping[int, Any]) -> dict[int, str]:
    acyl = {match[0] for match in mol.GetSubstructMatches(FREE_ACYL)}
    return {number: "OH" if atom.GetIdx() in acyl else "H" for number, atom in points.items()}


def _checked_caps(
    caps: Mapping[int, str], points: Mapping[int, Any]
) -> tuple[tuple[int, str], ...]:
    for number, cap in caps.items():
        if number not in points:
            raise MonomerError(f"it has the cap {cap} for R{number}, but no such attachment point")
        if not _is_cap(cap):
            raise MonomerError(f"the cap {cap!r} of R{number} is unknown; expected H, OH, NH2 ...")
    return tuple(sorted(caps.items()))


def _is_cap(cap: str) -> bool:
    """Return whether a cap is one heavy atom with its hydrogens, or H."""
    match = CAP.fullmatch(cap)
    return match is not None and match[1] in ELEMENTS


_TABLE = Chem.GetPeriodicTable()
ELEMENTS = frozenset(_TABLE.GetElementSymbol(number) for number in range(1, 119))


def helmkit_data(monomer: Monomer) -> dict[str, Any]:
    """Return a monomer as helmkit's library holds it."""
    mol = Chem.MolFromSmiles(monomer.smiles)
    count = max(4, *(number for number, _ in monomer.caps))
    caps: list[str | None] = [None] * count
    places: list[int | None] = [None] * count
    bonded: list[int | None] = [None] * count
    known = dict(monomer.caps)
    for atom in mol.GetAtoms():
        if number := atom.GetAtomMapNum():
            caps[number - 1], places[number - 1] = known[number], atom.GetIdx()
            bonded[number - 1] = atom.GetNeighbors()[0].GetIdx()
            atom.SetAtomMapNum(0)
    return with_stereo({
        "m_romol": mol, "m_Rgroups": caps, "m_RgroupIdx": places, "m_attachmentPointIdx": bonded,
        "m_type": POLYMERS[monomer.polymer], "m_abbr": monomer.symbol,
    })  # fmt: skip


def with_stereo(data: dict[str, Any]) -> dict[str, Any]:
    """Return a monomer of helmkit whose stereocentres with attachment points are kept.

    helmkit replaces the bond to a point by one that is the last of its atom, and RDKit's chiral
    tags refer to the order of bonds. So the bond to the point must be the last before, too. A
    hydrogen at the place of the point must be an atom.
    """
    mol, caps = Chem.RWMol(data["m_romol"]), list(data["m_Rgroups"])
    atoms = [
        (slot, atom)
        for slot, atom in enumerate(data["m_attachmentPointIdx"])
        if atom is not None and mol.GetAtomWithIdx(atom).GetChiralTag()
    ]
    if not atoms:
        return data
    for slot, atom in atoms:
        _join_last(mol, atom, data["m_RgroupIdx"][slot])
        caps[slot] = EXPLICIT_H if caps[slot] == "H" else caps[slot]
    return {**data, "m_romol": mol.GetMol(), "m_Rgroups": caps}


def _join_last(mol: Any, atom: int, point: int) -> None:
    """Make the bond of an atom to an attachment point its last one; keep its chirality."""
    centre = mol.GetAtomWithIdx(atom)
    bonds = [bond.GetOtherAtomIdx(atom) for bond in centre.GetBonds()]
    mol.RemoveBond(atom, point)
    mol.AddBond(atom, point, Chem.BondType.SINGLE)
    if (len(bonds) - 1 - bonds.index(point)) % 2:
        centre.InvertChirality()
