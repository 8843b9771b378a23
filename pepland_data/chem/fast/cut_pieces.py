"""Copy single pieces out of a molecule, only those that are needed."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from rdkit import Chem

from pepland_data.chem.cuts import NO_LIMIT, Piece, cut_into_pieces


class CutPieces:
    """The pieces of a molecule; item i equals ``cut_into_pieces(mol, cuts)[i]``.

    `pepland_data.chem.cuts.cut_into_pieces` copies and sanitises all pieces, although most are
    known already. Here each piece is copied alone (RDKit's ``CopyMolSubset``, since 2025.09) and
    sanitised alone. Near a double bond of defined stereo the two kinds of copies can differ, so a
    molecule with such a bond is cut into all its pieces.
    """

    def __init__(self, mol: Any, cuts: list[int]) -> None:
        self._mol, self._cuts = mol, cuts

    def __getitem__(self, number: int) -> Piece:
        """Return a sanitised piece and its atoms; an RDKit exception if it cannot be sanitised."""
        if self._all is not None:
            return self._all[number]
        atoms = self.atoms[number]
        piece = Chem.CopyMolSubset(self._broken, list(atoms), self._bonds(atoms))
        Chem.SanitizeMol(piece)
        return piece, atoms

    @cached_property
    def atoms(self) -> list[tuple[int, ...]]:
        """The atoms of each piece, in the order of ``GetMolFrags``."""
        if self._all is not None:
            return [atoms for _, atoms in self._all]
        return list(Chem.GetMolFrags(self._broken))

    @cached_property
    def _all(self) -> list[Piece] | None:
        """All pieces, or None if each can be copied alone."""
        alone = self._cuts and hasattr(Chem, "CopyMolSubset") and not _has_stereo_bond(self._mol)
        return None if alone else cut_into_pieces(self._mol, self._cuts)

    @cached_property
    def _broken(self) -> Any:
        return Chem.FragmentOnBonds(self._mol, self._cuts, addDummies=False)

    def _bonds(self, atoms: tuple[int, ...]) -> list[int]:
        found = {bond.GetIdx() for a in atoms for bond in self._broken.GetAtomWithIdx(a).GetBonds()}
        return sorted(found)


@cache
def _inner_double_bond() -> Any:
    return Chem.MolFromSmarts("[!D1]=[!D1]")


def _has_stereo_bond(mol: Any) -> bool:
    undefined = (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY)
    found = mol.GetSubstructMatches(_inner_double_bond(), maxMatches=NO_LIMIT)
    return any(mol.GetBondBetweenAtoms(i, j).GetStereo() not in undefined for i, j in found)
