"""Single pieces of a molecule with many: only those somebody asks for are cut out."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from rdkit import Chem

from pepland_data.chem.cuts import NO_LIMIT, Piece, pieces


class CutPieces:
    """What remains of a molecule after some cuts; ``parts[i]`` equals ``pieces(mol, cuts)[i]``.

    `chem.cuts.pieces` copies and sanitises every piece, most of which are known already.
    Here a piece is copied alone (RDKit's ``CopyMolSubset``, since 2025.09) and sanitised alone.
    Around double bonds of defined stereo the copies differ in what they remember of their
    neighbours, so such molecules are taken apart as a whole.
    """

    def __init__(self, mol: Any, cuts: list[int]) -> None:
        self._mol, self._cuts = mol, cuts

    def __getitem__(self, number: int) -> Piece:
        """Return a sanitised piece and its atoms; an RDKit exception where it has no valence."""
        if self._at_once is not None:
            return self._at_once[number]
        atoms = self.atoms[number]
        piece = Chem.CopyMolSubset(self._broken, list(atoms), self._bonds(atoms))
        Chem.SanitizeMol(piece)
        return piece, atoms

    @cached_property
    def atoms(self) -> list[tuple[int, ...]]:
        """The atoms of each piece, in the order of ``GetMolFrags``."""
        if self._at_once is not None:
            return [atoms for _, atoms in self._at_once]
        return list(Chem.GetMolFrags(self._broken))

    @cached_property
    def _at_once(self) -> list[Piece] | None:
        alone = self._cuts and hasattr(Chem, "CopyMolSubset") and not _has_stereo_bond(self._mol)
        return None if alone else pieces(self._mol, self._cuts)

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
