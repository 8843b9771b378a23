"""A molecule as HELM, which is read back: it is the same molecule, or there is no HELM."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from rdkit import Chem, rdBase

from pepland_data.chem.monomers.definition import MonomerError
from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.notation.helm import read_helm
from pepland_data.chem.residues.chains import End, helm_text
from pepland_data.chem.residues.in_line import in_line_symbol
from pepland_data.chem.residues.no_helm import NoHelmError
from pepland_data.chem.residues.residue_bonds import residue_bonds
from pepland_data.chem.residues.symbols import Symbol, symbols_of
from pepland_data.chem.residues.units import Bond, CutSmiles, canonical, joined_form, known_form
from pepland_data.errors import InvalidMoleculeError

MOST_ATOMS = 2000
"""A molecule with more atoms gets no HELM."""
BRACKETS = re.compile(r"\[[^\]]*\]")
USUAL = frozenset(("[C@H]", "[C@@H]", "[C@]", "[C@@]", "[nH]", "[NH3+]", "[NH2+]", "[O-]", "[N+]"))
"""Atoms in brackets that need no look at the molecule."""
ELEMENTS = frozenset((1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53))
"""Atoms that a peptide may have."""


class WrittenHelm(NamedTuple):
    """The HELM of a molecule, or why it has none."""

    text: str | None
    reason: str
    """The end of a sentence; '' if there is a HELM."""
    residues: int = 0
    """Residues in the HELM: monomers with R1 and R2."""


def helm_of_molecule(mol: Any, given: GivenMonomers | None = None) -> WrittenHelm:
    """Return the HELM of a molecule; the order of its atoms does not matter.

    Args:
        mol: a sanitised molecule, its hydrogens as counts.
        given: monomers beside those of helmkit's library.

    Raises:
        MissingDependencyError: helmkit is not installed.
    """
    try:
        with rdBase.BlockLogs():
            return _written(mol, given)
    except NoHelmError as error:
        return WrittenHelm(None, str(error))
    except Chem.MolSanitizeException as error:
        return WrittenHelm(None, f"a part of it cannot stand alone: {error}")


def _written(mol: Any, given: GivenMonomers | None) -> WrittenHelm:
    atoms = mol.GetNumAtoms()
    if atoms > MOST_ATOMS:
        raise NoHelmError(f"it has {atoms:,} atoms, more than {MOST_ATOMS:,}")
    smiles, order = canonical(mol)
    _check_atoms(mol, smiles)
    place = {atom: i for i, atom in enumerate(order)}
    bonds = {_in_order(place[one], place[two]) for one, two in residue_bonds(mol)}
    symbols, text = _named(smiles, bonds, symbols_of(given))
    _check_peptide(symbols)
    if _read_back(text, given) != smiles:
        raise NoHelmError("its HELM would be read as another molecule")
    return WrittenHelm(text, "", sum(symbol.is_residue for symbol in symbols))


def _in_order(one: int, two: int) -> Bond:
    return (one, two) if one < two else (two, one)


def _check_atoms(mol: Any, smiles: str) -> None:
    """Raise NoHelmError for atoms that no peptide has, and for several molecules."""
    if "." in smiles or not smiles:
        raise NoHelmError("it is not one molecule; --standardize removes salts")
    if "*" in smiles:
        raise NoHelmError("it has an atom * that stands for any")
    if USUAL.issuperset(BRACKETS.findall(smiles)):
        return
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() not in ELEMENTS or atom.GetNumRadicalElectrons():
            raise NoHelmError(f"it has an atom {atom.GetSymbol()} that is in no residue")
        if atom.GetIsotope():
            raise NoHelmError("it has isotopes")


def _named(
    smiles: str, bonds: Collection[Bond], library: Mapping[str, Symbol]
) -> tuple[list[Symbol], str]:
    """Return the units of a molecule by their symbols, and its HELM."""
    cut = CutSmiles(smiles, bonds)
    forms = [known_form(unit) for unit in cut.units]
    if len(forms) == 1 and forms[0][0] not in library:
        raise NoHelmError("it has no bond between residues")
    symbols = [library.get(form) or in_line_symbol(form) for form, _ in forms]
    ends: dict[Bond, list[End]] = {bond: [] for bond in bonds}
    for unit, (symbol, (_, points)) in enumerate(zip(symbols, forms, strict=True)):
        for number, point in zip(symbol.numbers, points, strict=True):
            ends[cut.points[unit][point]].append((unit, number))
    whole = _whole([form for form, _ in forms], symbols, ends, library)
    if whole:
        return _named(smiles, set(bonds) - whole, library)
    return symbols, helm_text(symbols, [(one, two) for one, two in ends.values()])


def _whole(
    forms: Sequence[str],
    symbols: Sequence[Symbol],
    ends: Mapping[Bond, Sequence[End]],
    library: Mapping[str, Symbol],
) -> set[Bond]:
    """Return bonds that are inside of residues: of a unit to itself, and of a residue to a group.

    A library may have one symbol for a residue with a group, as for acetyl lysine.
    """
    whole: dict[int, Bond] = {}
    for bond, both in sorted(ends.items()):
        if both[0][0] == both[1][0]:
            return {bond}
        for (unit, point), (group, _) in (both, both[::-1]):
            if symbols[group].is_residue or len(symbols[group].numbers) != 1 or unit in whole:
                continue
            if point == 2 and symbols[unit].by_name:  # the end of a chain
                continue
            place = symbols[unit].numbers.index(point)
            found = library.get(joined_form(forms[unit], place, forms[group]))
            if found and found.is_residue:
                whole[unit] = bond
    return set(whole.values())


def _check_peptide(symbols: list[Symbol]) -> None:
    residues = [symbol for symbol in symbols if symbol.is_residue]
    if not any(symbol.by_name for symbol in residues):
        raise NoHelmError("it has no residue that a library names")
    if len(residues) < 2 and not all(symbol.by_name for symbol in symbols):
        raise NoHelmError("it is no peptide: it has one residue and other parts")


def _read_back(text: str, given: GivenMonomers | None) -> str:
    """Return the canonical SMILES of a HELM text, '' if it cannot be read."""
    try:
        mol = read_helm(text, given)
    except (InvalidMoleculeError, MonomerError, ValueError, RuntimeError):
        return ""
    return "" if mol is None else str(Chem.MolToSmiles(mol))
