"""Cut a molecule into fragments: by the Amiibo rule, then by BRICS in each piece (AdaFrag)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from rdkit import Chem
from rdkit.Chem import BRICS

NO_LIMIT = 2**31 - 1
"""More matches than any molecule has; by default RDKit stops at 1,000."""
Piece = tuple[Any, tuple[int, ...]]
"""A sanitised molecule, and its atoms as atoms of the molecule that was cut."""


@cache
def amide_pattern() -> Any:
    """Return the query ``C(=O)N``, parsed once per process."""
    return Chem.MolFromSmarts("C(=O)N")


def amiibo_cuts(mol: Any) -> list[int]:
    """Return the bonds that the Amiibo rule cuts, each once, in the order they are found.

    For every match (C, O, N) of ``C(=O)N``, the rule cuts each carbon-carbon single bond of C, then
    each bond of N to a carbon without a double bond to oxygen. It does not cut the amide bond.
    """
    cuts: dict[int, None] = {}
    for carbon, _, nitrogen in mol.GetSubstructMatches(amide_pattern(), maxMatches=NO_LIMIT):
        for bond in mol.GetAtomWithIdx(carbon).GetBonds():
            other = mol.GetAtomWithIdx(bond.GetOtherAtomIdx(carbon)).GetAtomicNum()
            if bond.GetBondType() == Chem.BondType.SINGLE and other == 6:
                cuts.setdefault(bond.GetIdx())
        for bond in mol.GetAtomWithIdx(nitrogen).GetBonds():
            if _nitrogen_is_cut(bond):
                cuts.setdefault(bond.GetIdx())
    return list(cuts)


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


def no_step() -> None:
    """Do nothing; see `Featurizer` for what is called before each step."""


def brics_cuts(
    mol: Any, piece: Any, atoms: tuple[int, ...], step: Callable[[], None] = no_step
) -> list[int]:
    """Return the bonds that BRICS cuts in a piece of `mol`, as bonds of `mol`, each once."""
    step()
    pairs = brics_bonds(piece.ToBinary())
    step()
    bonds = (mol.GetBondBetweenAtoms(atoms[i], atoms[j]).GetIdx() for i, j in pairs)
    return list(dict.fromkeys(bonds))


@lru_cache(maxsize=20_000)
def brics_bonds(piece: bytes) -> tuple[tuple[int, int], ...]:
    """Return the atom pairs that BRICS cuts in a serialized piece."""
    mol: Any = Chem.Mol(piece)  # type: ignore[call-overload]
    found = BRICS.FindBRICSBonds(mol)  # type: ignore[no-untyped-call]
    return tuple(pair for pair, _ in found)


@lru_cache(maxsize=20_000)
def piece_smiles(piece: bytes) -> str:
    """Return the canonical SMILES of a serialized piece."""
    mol: Any = Chem.Mol(piece)  # type: ignore[call-overload]
    return str(Chem.MolToSmiles(mol))


def cut_into_pieces(mol: Any, cuts: list[int]) -> list[Piece]:
    """Return the sanitised pieces and their atoms, in the order of ``GetMolFrags``.

    Without cut bonds the molecule is one piece, even if it has several components.
    """
    if not cuts:
        return [(mol, tuple(range(mol.GetNumAtoms())))]
    broken = Chem.FragmentOnBonds(mol, cuts, addDummies=False)
    atoms: list[tuple[int, ...]] = []
    mols = Chem.GetMolFrags(broken, asMols=True, sanitizeFrags=True, fragsMolAtomMapping=atoms)
    return list(zip(mols, atoms, strict=True))


@dataclass(frozen=True)
class CutMolecule:
    """A molecule after its cuts."""

    residues: list[Piece]
    """Pieces after the cuts of the Amiibo rule."""
    fragments: list[Piece]
    """Pieces after all cuts."""
    cuts: list[int]
    """Cut bonds in the order they were found."""


def cut_molecule(mol: Any, cut: str, step: Callable[[], None] = no_step) -> CutMolecule:
    """Cut a molecule; BRICS is used only if the Amiibo rule cuts a bond."""
    amiibo = amiibo_cuts(mol)
    residues = cut_into_pieces(mol, amiibo)
    if cut == "amiibo" or not amiibo:
        return CutMolecule(residues, residues, amiibo)
    brics = [bond for piece in residues for bond in brics_cuts(mol, *piece, step)]
    cuts = list(dict.fromkeys([*amiibo, *brics]))
    fragments = cut_into_pieces(mol, cuts) if len(cuts) > len(amiibo) else residues
    return CutMolecule(residues, fragments, cuts)
