"""One molecule to one graph, atom by atom; the fast path must give the same graph.

It is used for molecules whose records `pepland_data.chem.fast.rdkit_records` cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from pepland_data.chem.cuts import Piece, cut_molecule, no_step, piece_smiles
from pepland_data.chem.features import atom_row, bond_row, fragment_row
from pepland_data.errors import InvalidMoleculeError
from pepland_data.graph.table_builder import TableBuilder

MAX_CHIRAL = 3
"""RDKit's chiral tags above this one are not tetrahedral."""


def atom_key(atom: Any) -> tuple[int, int, bytes]:
    """Return the labels and the feature row of an atom."""
    return (atom.GetAtomicNum() - 1, int(atom.GetChiralTag()), atom_row(atom))


def fragment_key(
    mol: Any, piece: Any, atoms: Sequence[int], step: Callable[[], None] = no_step
) -> tuple[str, bytes]:
    """Return the SMILES of a fragment as cut out, and its feature row.

    Args:
        mol: the molecule.
        piece: the fragment.
        atoms: atoms of the fragment in the molecule.
        step: called before and after each value that a cache may know.
    """
    step()
    smiles = piece_smiles(piece.ToBinary())
    step()
    inside = Chem.MolFragmentToSmiles(mol, atoms)
    step()
    row = fragment_row(inside)
    step()
    return smiles, row


def check_atom(text: str, number: int, chiral: int) -> None:
    """Raise InvalidMoleculeError for an atom without a feature row.

    Args:
        text: the text of the molecule.
        number: atomic number, 0 for a dummy atom.
        chiral: RDKit's chiral tag.
    """
    if number == 0:
        raise InvalidMoleculeError(text, "features", "holds a '*' atom")
    if chiral > MAX_CHIRAL:
        raise InvalidMoleculeError(text, "features", "holds non-tetrahedral chirality")


def plain_graph(
    mol: Any, cut: str, tables: TableBuilder, step: Callable[[], None] = no_step
) -> dict[str, Any]:
    """Return the ten flat arrays of one molecule; its new feature rows are added to `tables`."""
    molecule = cut_molecule(mol, cut, step)
    parts, cuts = molecule.fragments, molecule.cuts
    fragment_of = _piece_of_atoms(parts, mol.GetNumAtoms())
    residue_of = _piece_of_atoms(molecule.residues, mol.GetNumAtoms())
    bond_codes = [tables.bonds.code(bond_row(b)) for b in mol.GetBonds()]
    ends = np.array(
        [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], np.int64
    ).reshape(-1, 2)
    first: dict[frozenset[int], int] = {}
    for cut_bond in cuts:
        joined = frozenset(fragment_of[ends[cut_bond]].tolist())
        first.setdefault(joined, bond_codes[cut_bond])
    joints = fragment_of[ends[sorted(cuts)]].reshape(-1, 2)
    return {
        "atom_code": [tables.atoms.code(atom_key(a)) for a in mol.GetAtoms()],
        "atom_fragment": fragment_of,
        "fragment_code": [tables.fragments.code(fragment_key(mol, m, a, step)) for m, a in parts],
        "fragment_residue": [residue_of[a[0]] if cuts else 1 for _, a in parts],
        "bond_begin": ends[:, 0],
        "bond_end": ends[:, 1],
        "bond_code": bond_codes,
        "reaction_begin": joints[:, 0],
        "reaction_end": joints[:, 1],
        "reaction_code": [first[frozenset(pair)] for pair in joints.tolist()],
    }


def _piece_of_atoms(parts: list[Piece], count: int) -> npt.NDArray[np.int64]:
    """Return the number of the piece that contains each atom. [count] int64."""
    piece = np.zeros(count, np.int64)
    for number, (_, atoms) in enumerate(parts):
        piece[list(atoms)] = number
    return piece
