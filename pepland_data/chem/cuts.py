"""Where a molecule is cut into fragments: the Amiibo rule, and BRICS on its pieces (AdaFrag)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from rdkit import Chem
from rdkit.Chem import BRICS

NO_LIMIT = 2**31 - 1
Piece = tuple[Any, tuple[int, ...]]


@cache
def amide_pattern() -> Any:
    """Return the query ``C(=O)N``, parsed once a process."""
    return Chem.MolFromSmarts("C(=O)N")


def amiibo_cuts(mol: Any) -> list[int]:
    """Return the bonds that the Amiibo rule cuts, each once, in the order they are found.

    For every match (C, O, N) of ``C(=O)N``: each carbon-carbon single bond of C, then each bond of
    N whose carbon end has no double bond to an oxygen. The amide bond itself stays.
    """
    cuts: dict[int, None] = {}
    for carbon, _, nitrogen in mol.GetSubstructMatches(amide_pattern(), maxMatches=NO_LIMIT):
        for bond in mol.GetAtomWithIdx(carbon).GetBonds():
            if bond.GetBondType() == Chem.BondType.SINGLE and _other(bond, carbon) == 6:
                cuts.setdefault(bond.GetIdx())
        for bond in mol.GetAtomWithIdx(nitrogen).GetBonds():
            if _nitrogen_is_cut(bond):
                cuts.setdefault(bond.GetIdx())
    return list(cuts)


def _other(bond: Any, atom: int) -> int:
    number: int = bond.GetOtherAtom(bond.GetOwningMol().GetAtomWithIdx(atom)).GetAtomicNum()
    return number


def _nitrogen_is_cut(bond: Any) -> bool:
    for end in (bond.GetBeginAtom(), bond.GetEndAtom()):
        if end.GetAtomicNum() == 6:
            return not _is_carbonyl(end)
    return False


def _is_carbonyl(carbon: Any) -> bool:
    return any(
        bond.GetBondType() == Chem.BondType.DOUBLE and bond.GetOtherAtom(carbon).GetAtomicNum() == 8
        for bond in carbon.GetBonds()
    )


def brics_cuts(mol: Any, parts: list[Piece]) -> list[int]:
    """Return the bonds that BRICS finds in pieces of `mol`, as bonds of `mol`."""
    found = []
    for piece, atoms in parts:
        for i, j in brics_bonds(piece.ToBinary()):
            found.append(mol.GetBondBetweenAtoms(atoms[i], atoms[j]).GetIdx())
    return found


@lru_cache(maxsize=20_000)
def brics_bonds(piece: bytes) -> tuple[tuple[int, int], ...]:
    """Return the atom pairs that BRICS cuts in a piece; its serialised form determines them."""
    mol: Any = Chem.Mol(piece)  # type: ignore[call-overload]
    found = BRICS.FindBRICSBonds(mol)  # type: ignore[no-untyped-call]
    return tuple(pair for pair, _ in found)


@lru_cache(maxsize=20_000)
def piece_smiles(piece: bytes) -> str:
    """Return the canonical SMILES of a serialised piece."""
    mol: Any = Chem.Mol(piece)  # type: ignore[call-overload]
    return str(Chem.MolToSmiles(mol))


def pieces(mol: Any, cuts: list[int]) -> list[Piece]:
    """Return the sanitised pieces and their atoms, in the order of ``GetMolFrags``.

    Without a cut the molecule is one piece, whatever its number of components.
    """
    if not cuts:
        return [(mol, tuple(range(mol.GetNumAtoms())))]
    broken = Chem.FragmentOnBonds(mol, cuts, addDummies=False)
    atoms: list[tuple[int, ...]] = []
    mols = Chem.GetMolFrags(broken, asMols=True, sanitizeFrags=True, fragsMolAtomMapping=atoms)
    return list(zip(mols, atoms, strict=True))


@dataclass(frozen=True)
class Cutting:
    """A molecule taken apart."""

    residues: list[Piece]
    """Pieces of the Amiibo rule; one where nothing is cut."""
    fragments: list[Piece]
    """Pieces after all cuts."""
    cuts: list[int]
    """Cut bonds in the order they were found."""


def cut_molecule(mol: Any, cut: str) -> Cutting:
    """Take a molecule apart; one that Amiibo leaves whole stays whole."""
    amiibo = amiibo_cuts(mol)
    residues = pieces(mol, amiibo)
    if cut == "amiibo" or not amiibo:
        return Cutting(residues, residues, amiibo)
    more = [bond for bond in brics_cuts(mol, residues) if bond not in amiibo]
    cuts = list(dict.fromkeys([*amiibo, *more]))
    return Cutting(residues, pieces(mol, cuts) if more else residues, cuts)
