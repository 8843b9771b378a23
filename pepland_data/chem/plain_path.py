"""One molecule to one graph, atom by atom: the plain path that the fast one must equal.

It answers where `pepland_data.chem.fast.rdkit_records` cannot read a molecule's records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from pepland_data.chem.cuts import cut_molecule, piece_smiles
from pepland_data.chem.features import atom_row, bond_row, fragment_row
from pepland_data.errors import InvalidMoleculeError
from pepland_data.graph.columns import GROUPS, GraphColumns
from pepland_data.graph.table_builder import TableBuilder


def atom_key(atom: Any) -> tuple[int, int, bytes]:
    """Return an atom's labels and feature row."""
    return (atom.GetAtomicNum() - 1, int(atom.GetChiralTag()), atom_row(atom))


def fragment_key(mol: Any, piece: Any, atoms: Sequence[int]) -> tuple[str, bytes]:
    """Return a fragment's SMILES, as cut out, and its feature row."""
    return piece_smiles(piece.ToBinary()), fragment_row(Chem.MolFragmentToSmiles(mol, atoms))


def check_atoms(text: str, mol: Any) -> None:
    """Refuse atoms that the published features cannot express."""
    for atom in mol.GetAtoms():
        refuse_atom(text, atom.GetAtomicNum(), int(atom.GetChiralTag()))


def refuse_atom(text: str, number: int, chiral: int) -> None:
    """Raise InvalidMoleculeError for a dummy atom or chirality beyond the tetrahedron."""
    if number == 0:
        raise InvalidMoleculeError(text, "features", "holds a '*' atom")
    if chiral > 3:
        raise InvalidMoleculeError(text, "features", "holds non-tetrahedral chirality")


def plain_graph(mol: Any, cut: str, tables: TableBuilder) -> dict[str, Any]:
    """Return the ten flat arrays of one molecule, and intern its rows."""
    cutting = cut_molecule(mol, cut)
    parts, cuts = cutting.fragments, cutting.cuts
    fragment_of = _membership([p[1] for p in parts], mol.GetNumAtoms())
    residues = (
        _membership([p[1] for p in cutting.residues], len(fragment_of))
        if cuts
        else np.ones(len(fragment_of), np.int64)
    )
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
        "fragment_code": [tables.fragments.code(fragment_key(mol, m, a)) for m, a in parts],
        "fragment_residue": [residues[a[0]] for _, a in parts],
        "bond_begin": ends[:, 0],
        "bond_end": ends[:, 1],
        "bond_code": bond_codes,
        "reaction_begin": joints[:, 0],
        "reaction_end": joints[:, 1],
        "reaction_code": [first[frozenset(pair)] for pair in joints.tolist()],
    }


def _membership(groups: Sequence[Sequence[int]], count: int) -> npt.NDArray[np.int64]:
    of = np.zeros(count, np.int64)
    for number, members in enumerate(groups):
        of[list(members)] = number
    return of


def join_graphs(flats: list[dict[str, Any]]) -> GraphColumns:
    """Return single graphs as columns."""
    arrays: dict[str, Any] = {}
    for group, names in GROUPS.items():
        sizes = [len(flat[names[0]]) for flat in flats]
        arrays[f"{group}_ptr"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        for name in names:
            parts = [np.asarray(flat[name], np.int64) for flat in flats]
            arrays[name] = np.concatenate([np.zeros(0, np.int64), *parts])
    return GraphColumns(**arrays)
