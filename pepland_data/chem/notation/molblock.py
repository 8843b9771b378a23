"""Read a mol block: the atoms, bonds and coordinates of one record of an SDF file."""

from __future__ import annotations

from rdkit import Chem

from pepland_data.chem.notation.parse import MAX_REASON, check_size
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.errors import InvalidMoleculeError

MAX_BLOCK = 2_000_000
"""Longer mol blocks are rejected without being read (characters)."""


def smiles_of_molblock(text: str, max_atoms: int, log: RdkitMessages) -> str:
    """Return the SMILES of a mol block (V2000 or V3000), with the stereo of bonds and coordinates.

    The molecule is the one of RDKit's `SDMolSupplier`.

    Args:
        text: the mol block.
        max_atoms: a molecule with more heavy atoms raises an error.
        log: must be entered by the caller; its messages explain a failure.

    Raises:
        InvalidMoleculeError: with stage ``read`` or ``limits``.
    """
    if len(text) > MAX_BLOCK:
        reason = f"{len(text):,} characters are more than the {MAX_BLOCK:,} of an SDF record"
        raise InvalidMoleculeError(text, "limits", reason)
    try:
        mol = Chem.MolFromMolBlock(text.encode("ascii", "replace").decode())
    except (ValueError, RuntimeError) as error:
        raise _unreadable(text, str(error)) from None
    if mol is None:
        raise _unreadable(text, ([line for line in log.take() if " " in line] or [""])[-1])
    if mol.GetNumAtoms() == 0:
        raise _unreadable(text, "it has no atoms")
    check_size(text, mol.GetNumAtoms(), max_atoms)
    smiles = str(Chem.MolToSmiles(mol))
    if mol.HasQuery() or "~" in smiles:
        raise _unreadable(text, "it holds query atoms or bonds, which stand for no one molecule")
    return smiles


def _unreadable(text: str, why: str) -> InvalidMoleculeError:
    shown = f": {' '.join(why.split())[:MAX_REASON]}" if why else ""
    return InvalidMoleculeError(text, "read", f"RDKit cannot read this SDF record{shown}")
