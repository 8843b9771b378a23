"""Monomers made of others: mirror images, N-methylated residues, aldehydes and alcohols."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rdkit import Chem, rdBase

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.monomers.library import library_of, monomer_in
from pepland_data.chem.notation.written.structure import UnreadableError

SULFUR = 16
POINTS = 10
"""More than the number of an attachment point."""
KEPT = 4096
"""Answers that are remembered."""
TWO_CENTRES = ("I", "T")
"""Residues with two stereocentres whose D form is the mirror image by its name."""
MIRRORED_SYMBOLS = ("d{}", "D_{}")
METHYLATED_SYMBOLS = ("me{}", "Me_{}")
"""How libraries name variants of a symbol."""
FREE_AMINE = Chem.MolFromSmarts("[#0][NH1]")
CARBONYL = Chem.MolFromSmarts("[#0][CX3]=O")


def is_symbol(monomer: str) -> bool:
    """Return whether a monomer is a symbol of a library, and no SMILES."""
    return "[*:" not in monomer


@lru_cache(KEPT)
def smiles_of(monomer: str, given: GivenMonomers | None) -> str:
    """Return a symbol or a SMILES as canonical SMILES with attachment points ``[*:n]``.

    Raises:
        UnreadableError: the symbol is in no library.
    """
    if not is_symbol(monomer):
        return str(Chem.MolToSmiles(Chem.MolFromSmiles(monomer)))
    with rdBase.BlockLogs():
        found = monomer_in(library_of(given), monomer)
    if not found:
        name = monomer[:40]
        raise UnreadableError(f"monomer {name!r} is in no library; give it with --monomers FILE")
    return found.smiles


@lru_cache(KEPT)
def points_of(monomer: str, given: GivenMonomers | None) -> frozenset[int]:
    """Return the numbers of the attachment points of a symbol or a SMILES."""
    mol = Chem.MolFromSmiles(smiles_of(monomer, given))
    return frozenset(a.GetAtomMapNum() for a in mol.GetAtoms() if a.GetAtomMapNum())


@lru_cache(KEPT)
def has_thiol(monomer: str, given: GivenMonomers | None) -> bool:
    """Return whether R3 of a monomer is at a sulfur, as in cysteine."""
    mol = Chem.MolFromSmiles(smiles_of(monomer, given))
    ends = [atom.GetNeighbors()[0] for atom in mol.GetAtoms() if atom.GetAtomMapNum() == 3]
    return any(end.GetAtomicNum() == SULFUR for end in ends)


@lru_cache(KEPT)
def mirrored(monomer: str, given: GivenMonomers | None) -> str:
    """Return the D form of an L residue.

    Raises:
        UnreadableError: it has no stereocentre, or several.
    """
    mol = Chem.MolFromSmiles(smiles_of(monomer, given))
    kinds = [found.type for found in Chem.FindPotentialStereo(mol)]
    centres = kinds.count(Chem.StereoType.Atom_Tetrahedral)
    if not centres:
        raise UnreadableError("it has no D form")
    if centres > 1 and monomer not in TWO_CENTRES:
        raise UnreadableError("its D form is not certain, as it has several stereocentres")
    for atom in mol.GetAtoms():
        atom.InvertChirality()
    return _symbol_or_smiles(monomer, mol, MIRRORED_SYMBOLS, given)


@lru_cache(KEPT)
def methylated(monomer: str, given: GivenMonomers | None) -> str:
    """Return a residue with a methyl group at the nitrogen of R1.

    Raises:
        UnreadableError: the nitrogen has no hydrogen.
    """
    mol = Chem.RWMol(Chem.MolFromSmiles(smiles_of(monomer, given)))
    for point, nitrogen in mol.GetSubstructMatches(FREE_AMINE):
        if mol.GetAtomWithIdx(point).GetAtomMapNum() == 1:
            mol.AddBond(nitrogen, mol.AddAtom(Chem.Atom(6)), Chem.BondType.SINGLE)
            Chem.SanitizeMol(mol)
            return _symbol_or_smiles(monomer, mol, METHYLATED_SYMBOLS, given)
    raise UnreadableError("it has no hydrogen at the nitrogen for a methyl group")


@lru_cache(KEPT)
def reduced(monomer: str, end: str, given: GivenMonomers | None) -> str:
    """Return a last residue whose acid is an aldehyde (``al``) or an alcohol (``ol``).

    Raises:
        UnreadableError: it has no carbonyl at R2.
    """
    mol = Chem.RWMol(Chem.MolFromSmiles(smiles_of(monomer, given)))
    for point, carbon, oxygen in mol.GetSubstructMatches(CARBONYL):
        if mol.GetAtomWithIdx(point).GetAtomMapNum() == 2:
            if end == "ol":
                mol.GetBondBetweenAtoms(carbon, oxygen).SetBondType(Chem.BondType.SINGLE)
            mol.RemoveAtom(point)
            Chem.SanitizeMol(mol)
            return str(Chem.MolToSmiles(mol))
    raise UnreadableError(f"it has no acid that could be an {end!r}")


@lru_cache(KEPT)
def with_cap(monomer: str, point: int, cap: str, given: GivenMonomers | None) -> str:
    """Return a monomer with a cap, a SMILES with ``[*:2]``, at one of its attachment points."""
    zipped = f"[*:{POINTS + point}]"
    parts = (
        smiles_of(monomer, given).replace(f"[*:{point}]", zipped),
        cap.replace("[*:2]", zipped),
    )
    with rdBase.BlockLogs():  # a message about the other points
        return str(Chem.MolToSmiles(Chem.molzip(Chem.MolFromSmiles(".".join(parts)))))


def _symbol_or_smiles(
    monomer: str, mol: Any, symbols: tuple[str, ...], given: GivenMonomers | None
) -> str:
    """Return the symbol of a variant if the library has the same structure, else its SMILES."""
    smiles = str(Chem.MolToSmiles(mol))
    for symbol in (name.format(monomer) for name in symbols if is_symbol(monomer)):
        with rdBase.BlockLogs():
            found = monomer_in(library_of(given), symbol)
        if found and found.smiles == smiles:
            return symbol
    return smiles
