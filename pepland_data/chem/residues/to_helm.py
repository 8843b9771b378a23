"""A molecule as HELM, which is read back: it is the same molecule, or there is no HELM."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from rdkit import Chem, rdBase

from pepland_data.chem.monomers.definition import MonomerError
from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.notation.helm import read_helm
from pepland_data.chem.residues.chains import helm_text
from pepland_data.chem.residues.in_line import in_line_symbol
from pepland_data.chem.residues.no_helm import NoHelmError
from pepland_data.chem.residues.residue_bonds import residue_bonds
from pepland_data.chem.residues.symbols import Symbol, symbols_of
from pepland_data.chem.residues.units import Bond, CutSmiles, canonical, known_form
from pepland_data.errors import InvalidMoleculeError

MOST_ATOMS = 2000
"""A molecule with more atoms gets no HELM."""
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
        ImportError: helmkit is not installed.
    """
    try:
        with rdBase.BlockLogs():
            return _written(mol, given)
    except NoHelmError as error:
        return WrittenHelm(None, str(error))


def _written(mol: Any, given: GivenMonomers | None) -> WrittenHelm:
    _check(mol)
    smiles, order = canonical(mol)
    place = {atom: i for i, atom in enumerate(order)}
    bonds = {
        tuple(sorted((place[bond.GetBeginAtomIdx()], place[bond.GetEndAtomIdx()])))
        for bond in map(mol.GetBondWithIdx, residue_bonds(mol))
    }
    symbols, text = _named(smiles, bonds, symbols_of(given))
    _check_peptide(symbols)
    if _read_back(text, given) != smiles:
        raise NoHelmError("its HELM would be read as another molecule")
    return WrittenHelm(text, "", sum(symbol.is_residue for symbol in symbols))


def _check(mol: Any) -> None:
    """Raise NoHelmError for what is no peptide by its atoms."""
    atoms = mol.GetNumAtoms()
    if atoms > MOST_ATOMS:
        raise NoHelmError(f"it has {atoms:,} atoms, more than {MOST_ATOMS:,}")
    if len(Chem.GetMolFrags(mol)) != 1:
        raise NoHelmError("it is not one molecule; --standardize removes salts")
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
    own = {bond for bond in bonds if cut.unit_of[bond[0]] == cut.unit_of[bond[1]]}
    if own:
        return _named(smiles, set(bonds) - own, library)
    forms = [known_form(unit) for unit in cut.units]
    symbols = [library.get(form) or in_line_symbol(form) for form, _ in forms]
    ends: dict[Bond, list[tuple[int, int]]] = {bond: [] for bond in bonds}
    for unit, (symbol, (_, points)) in enumerate(zip(symbols, forms, strict=True)):
        for number, point in zip(symbol.numbers, points, strict=True):
            ends[cut.points[unit][point]].append((unit, number))
    return symbols, helm_text(symbols, [(one, two) for one, two in ends.values()])


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
