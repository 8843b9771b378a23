"""The oracle: a simple implementation of the heterograph to test the featurizer against."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
from rdkit import Chem, RDConfig
from rdkit.Chem import BRICS, ChemicalFeatures, MACCSkeys

HYBRIDIZATIONS = [Chem.HybridizationType.names[n] for n in ("SP", "SP2", "SP3", "SP3D", "SP3D2")]
BOND_TYPES = [Chem.BondType.names[n] for n in ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")]
FACTORY = ChemicalFeatures.BuildFeatureFactory(
    os.path.join(RDConfig.RDDataDir, "BaseFeatures.fdef")
)
FEATURES = [name.split(".")[1] for name in FACTORY.GetFeatureDefs()]
AMIDE = Chem.MolFromSmarts("C(=O)N")


def one_hot(value: Any, choices: Any) -> list[int]:
    """Return one slot per choice and a last slot for all other values."""
    choices = list(choices)
    return [int(value == c) for c in choices] + [int(value not in choices)]


def atom_row(atom: Chem.Atom) -> list[float]:
    return [
        *one_hot(atom.GetAtomicNum(), (35, 6, 7, 8, 9, 15, 16, 17, 53)),
        *one_hot(atom.GetTotalDegree(), range(6)),
        *one_hot(atom.GetFormalCharge(), (-1, -2, 1, 2, 0)),
        *one_hot(int(atom.GetChiralTag()), range(4)),
        *one_hot(atom.GetTotalNumHs(), range(5)),
        *one_hot(atom.GetHybridization(), HYBRIDIZATIONS),
        int(atom.GetIsAromatic()),
        atom.GetMass() * 0.01,
    ]


def bond_row(bond: Chem.Bond) -> list[int]:
    kinds = [int(bond.GetBondType() == t) for t in BOND_TYPES]
    flags = [int(bond.GetIsConjugated()), int(bond.IsInRing())]
    return [0, *kinds, *flags, *one_hot(int(bond.GetStereo()), range(6))]


def amiibo_cuts(mol: Chem.Mol) -> list[int]:
    cuts: list[int] = []

    def add(bond: Chem.Bond) -> None:
        if bond.GetIdx() not in cuts:
            cuts.append(bond.GetIdx())

    for carbon, _, nitrogen in mol.GetSubstructMatches(AMIDE, maxMatches=10**6):
        for bond in mol.GetAtomWithIdx(carbon).GetBonds():
            other = bond.GetOtherAtomIdx(carbon)
            if (
                mol.GetAtomWithIdx(other).GetAtomicNum() == 6
                and bond.GetBondType() == BOND_TYPES[0]
            ):
                add(bond)
        for bond in mol.GetAtomWithIdx(nitrogen).GetBonds():
            ends = (bond.GetBeginAtom(), bond.GetEndAtom())
            carbons = [a for a in ends if a.GetAtomicNum() == 6]
            if carbons and not has_double_bonded_oxygen(carbons[0]):
                add(bond)
    return cuts


def has_double_bonded_oxygen(atom: Chem.Atom) -> bool:
    return any(
        b.GetBondType() == BOND_TYPES[1] and b.GetOtherAtom(atom).GetAtomicNum() == 8
        for b in atom.GetBonds()
    )


def pieces_of(mol: Chem.Mol, cuts: list[int]) -> tuple[list[Any], list[Chem.Mol]]:
    """Return the atoms of each piece, and the pieces as molecules."""
    if not cuts:
        return [tuple(range(mol.GetNumAtoms()))], [mol]
    broken = Chem.FragmentOnBonds(mol, cuts, addDummies=False)
    atoms: list[Any] = []
    pieces = Chem.GetMolFrags(broken, asMols=True, sanitizeFrags=True, fragsMolAtomMapping=atoms)
    return atoms, list(pieces)


def brics_cuts(mol: Chem.Mol, atoms: list[Any], pieces: list[Chem.Mol]) -> list[int]:
    return [
        mol.GetBondBetweenAtoms(of[i], of[j]).GetIdx()
        for of, piece in zip(atoms, pieces, strict=True)
        for (i, j), _ in BRICS.FindBRICSBonds(piece)
    ]


@cache
def fragment_row(smiles: str) -> list[int]:
    piece = Chem.MolFromSmiles(smiles)
    if piece is None:
        return [0] * 196
    maccs = list(MACCSkeys.GenMACCSKeys(piece))
    present = {f.GetType() for f in FACTORY.GetFeaturesForMol(piece)}
    return [*maccs, 0, *[int(n in present) for n in FEATURES], 0]


def dense(smiles: str, cut: str = "adafrag") -> dict[str, np.ndarray]:
    """Return the arrays of `HeteroGraph.dense`."""
    mol = Chem.MolFromSmiles(smiles)
    amiibo = amiibo_cuts(mol)
    cuts = list(amiibo)
    residues = pieces_of(mol, amiibo)
    if cut == "adafrag" and amiibo:
        cuts += [b for b in brics_cuts(mol, *residues) if b not in cuts]
    atoms_of, pieces = pieces_of(mol, cuts)
    piece_smiles = [Chem.MolToSmiles(piece) for piece in pieces]
    fragment_of = index_of(atoms_of, mol.GetNumAtoms())
    residue_of = index_of(residues[0], mol.GetNumAtoms()) if amiibo else np.ones_like(fragment_of)
    bonds = list(mol.GetBonds())
    ends = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in bonds]
    first: dict[frozenset[int], list[int]] = {}
    for cut_bond in cuts:
        joined = frozenset(int(fragment_of[a]) for a in ends[cut_bond])
        first.setdefault(joined, bond_row(bonds[cut_bond]))
    reactions = [tuple(fragment_of[a] for a in ends[bond]) for bond in sorted(set(cuts))]
    return {
        "atom_x": np.array([atom_row(a) for a in mol.GetAtoms()], np.float32).reshape(-1, 42),
        "atom_label": np.array(
            [[a.GetAtomicNum() - 1, int(a.GetChiralTag())] for a in mol.GetAtoms()], np.int16
        ).reshape(-1, 2),
        "atom_maskable": np.array([piece_smiles[f] != "NC=O" for f in fragment_of], bool),
        "atom_residue": residue_of,
        "atom_fragment": fragment_of,
        "fragment_x": np.array(
            [fragment_row(Chem.MolFragmentToSmiles(mol, atoms)) for atoms in atoms_of], np.uint8
        ).reshape(-1, 196),
        "fragment_smiles": np.array(piece_smiles, np.str_),
        "bond_index": twice(ends),
        "bond_x": np.repeat(np.array([bond_row(b) for b in bonds], np.uint8).reshape(-1, 14), 2, 0),
        "reaction_index": twice(reactions),
        "reaction_x": np.repeat(
            np.array([first[frozenset(r)] for r in reactions], np.uint8).reshape(-1, 14), 2, 0
        ),
    }


def index_of(atoms_of: list[Any], count: int) -> np.ndarray:
    index = np.zeros(count, np.int32)
    for number, atoms in enumerate(atoms_of):
        index[list(atoms)] = number
    return index


def twice(pairs: Any) -> np.ndarray:
    both = [p for i, j in pairs for p in ((i, j), (j, i))]
    return np.array(both, np.int32).reshape(-1, 2).T
