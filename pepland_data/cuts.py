"""Where a molecule is cut into fragments: the Amiibo rule, and BRICS on its pieces (AdaFrag)."""

from __future__ import annotations

from functools import cache
from typing import Any

from rdkit import Chem
from rdkit.Chem import BRICS

CUTS = ("adafrag", "amiibo")
NO_LIMIT = 2**31 - 1


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


def brics_cuts(mol: Any, cuts: list[int]) -> list[int]:
    """Return the bonds that BRICS finds in the pieces left by `cuts`, as bonds of `mol`."""
    found = []
    for piece, atoms in pieces(mol, cuts):
        for (i, j), _ in BRICS.FindBRICSBonds(piece):
            found.append(mol.GetBondBetweenAtoms(atoms[i], atoms[j]).GetIdx())
    return found


def pieces(mol: Any, cuts: list[int]) -> list[tuple[Any, tuple[int, ...]]]:
    """Return the sanitised pieces and their atoms, in the order of ``GetMolFrags``.

    Without a cut the molecule is one piece, whatever its number of components.
    """
    if not cuts:
        return [(mol, tuple(range(mol.GetNumAtoms())))]
    broken = Chem.FragmentOnBonds(mol, cuts, addDummies=False)
    atoms: list[tuple[int, ...]] = []
    mols = Chem.GetMolFrags(broken, asMols=True, sanitizeFrags=True, fragsMolAtomMapping=atoms)
    return list(zip(mols, atoms, strict=True))


def find_cuts(mol: Any, cut: str) -> tuple[list[int], list[int]]:
    """Return the Amiibo cuts and all cuts; a molecule that Amiibo leaves whole stays whole."""
    amiibo = amiibo_cuts(mol)
    if cut == "amiibo" or not amiibo:
        return amiibo, amiibo
    return amiibo, list(dict.fromkeys([*amiibo, *brics_cuts(mol, amiibo)]))
