"""A picture of monomers side by side, each with its symbol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdkit import Chem
from rdkit.Chem import Draw

from pepland_data.chem.monomers.definition import Monomer
from pepland_data.errors import InputError
from pepland_data.files.atomic import write_atomic_bytes

COLUMNS, MOST_DRAWN = 5, 200


def draw_monomers(monomers: Sequence[Monomer], path: str | Path) -> Path:
    """Write a picture of monomers as SVG, with attachment points R1, R2 and so on.

    Raises:
        InputError: the name does not end in ``.svg``, or there are none or too many monomers.
    """
    path = Path(path)
    if path.suffix.lower() != ".svg":
        raise InputError(f"{path.name} cannot be drawn; name a file that ends in .svg")
    if not 0 < len(monomers) <= MOST_DRAWN:
        raise InputError(
            f"{len(monomers):,} monomers cannot be drawn; choose 1 to {MOST_DRAWN} with --search"
        )
    mols = [_labelled(Chem.MolFromSmiles(monomer.smiles)) for monomer in monomers]
    names = [monomer.symbol for monomer in monomers]
    picture = Draw.MolsToGridImage(mols, molsPerRow=COLUMNS, legends=names, useSVG=True)  # type: ignore[no-untyped-call]
    write_atomic_bytes(path, str(picture).encode())
    return path


def _labelled(mol: Any) -> Any:
    for atom in mol.GetAtoms():
        if number := atom.GetAtomMapNum():
            atom.SetAtomMapNum(0)
            atom.SetProp("_displayLabel", f"R<sub>{number}</sub>")
    return mol
