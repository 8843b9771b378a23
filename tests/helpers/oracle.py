"""A plain, obvious implementation of the heterograph: the oracle of the fast path."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from rdkit import Chem, RDConfig
from rdkit.Chem import BRICS, ChemicalFeatures, MACCSkeys

HYBRIDIZATIONS = [Chem.HybridizationType.names[n] for n in ("SP", "SP2", "SP3", "SP3D", "SP3D2")]
BOND_TYPES = [Chem.BondType.names[n] for n in ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")]
FACTORY = ChemicalFeatures.BuildFeatureFactory(
    os.path.join(RDConfig.RDDataDir, "BaseFeatures.fdef")
)
AMIDE = Chem.MolFromSmarts("C(=O)N")


def one_hot(value: Any, choices: Any) -> list[int]:
    """A slot per choice and a last one for anything else."""
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


def brics_cuts(mol: Chem.Mol, cuts: list[int]) -> list[int]:
    pieces_mol = Chem.FragmentOnBonds(mol, cuts, addDummies=False) if cuts else Chem.Mol(mol)
    atoms_of: list[Any] = []
    pieces = Chem.GetMolFrags(
        pieces_mol, asMols=True, sanitizeFrags=True, fragsMolAtomMapping=atoms_of
    )
    found = []
    for piece, atoms in zip(pieces, atoms_of, strict=True):
        for (i, j), _ in BRICS.FindBRICSBonds(piece):
            found.append(mol.GetBondBetweenAtoms(atoms[i], atoms[j]).GetIdx())
    return found


def pieces_of(mol: Chem.Mol, cuts: list[int]) -> tuple[list[tuple[int, ...]], list[str]]:
    if not cuts:
        return [tuple(range(mol.GetNumAtoms()))], [Chem.MolToSmiles(mol)]
    broken = Chem.FragmentOnBonds(mol, cuts, addDummies=False)
    atoms_of: list[Any] = []
    pieces = Chem.GetMolFrags(broken, asMols=True, sanitizeFrags=True, fragsMolAtomMapping=atoms_of)
    return [tuple(a) for a in atoms_of], [Chem.MolToSmiles(p) for p in pieces]


def fragment_row(mol: Chem.Mol, atoms: tuple[int, ...]) -> list[int]:
    piece = Chem.MolFromSmiles(Chem.MolFragmentToSmiles(mol, atoms))
    if piece is None:
        return [0] * 196
    maccs = list(MACCSkeys.GenMACCSKeys(piece))
    names = [n.split(".")[1] for n in FACTORY.GetFeatureDefs()]
    present = {f.GetType() for f in FACTORY.GetFeaturesForMol(piece)}
    return [*maccs, 0, *[int(n in present) for n in names], 0]


def dense(smiles: str, cut: str = "adafrag") -> dict[str, np.ndarray]:
    """The arrays of `HeteroGraph.dense`, made the slow way."""
    return dense_of(Chem.MolFromSmiles(smiles), cut)


def dense_of(mol: Chem.Mol, cut: str = "adafrag") -> dict[str, np.ndarray]:
    amiibo = amiibo_cuts(mol)
    cuts = list(amiibo)
    if cut == "adafrag" and amiibo:
        cuts += [b for b in brics_cuts(mol, amiibo) if b not in cuts]
    pieces, piece_smiles = pieces_of(mol, cuts)
    fragment_of = index_of(pieces, mol.GetNumAtoms())
    residue_of = (
        index_of(pieces_of(mol, amiibo)[0], mol.GetNumAtoms())
        if amiibo
        else np.ones(mol.GetNumAtoms(), np.int32)
    )
    bonds = list(mol.GetBonds())
    ends = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in bonds]
    first: dict[frozenset[int], list[int]] = {}
    for cut_bond in cuts:
        joined = frozenset(int(fragment_of[a]) for a in ends[cut_bond])
        first.setdefault(joined, bond_row(mol.GetBondWithIdx(cut_bond)))
    joints = [
        (fragment_of[i], fragment_of[j])
        for b, (i, j) in zip(bonds, ends, strict=True)
        if b.GetIdx() in set(cuts)
    ]
    return {
        "atom_x": np.array([atom_row(a) for a in mol.GetAtoms()], np.float32).reshape(-1, 42),
        "atom_label": np.array(
            [[a.GetAtomicNum() - 1, int(a.GetChiralTag())] for a in mol.GetAtoms()], np.int16
        ).reshape(-1, 2),
        "atom_maskable": np.array([piece_smiles[f] != "NC=O" for f in fragment_of], bool),
        "atom_residue": residue_of,
        "atom_fragment": fragment_of,
        "fragment_x": np.array([fragment_row(mol, p) for p in pieces], np.uint8).reshape(-1, 196),
        "fragment_smiles": np.array(piece_smiles, np.str_),
        "bond_index": twice(ends),
        "bond_x": np.repeat(np.array([bond_row(b) for b in bonds], np.uint8).reshape(-1, 14), 2, 0),
        "reaction_index": twice(joints),
        "reaction_x": np.repeat(
            np.array([first[frozenset(map(int, j))] for j in joints], np.uint8).reshape(-1, 14),
            2,
            0,
        ),
    }


def index_of(pieces: Any, count: int) -> np.ndarray:
    index = np.zeros(count, np.int32)
    for number, atoms in enumerate(pieces):
        index[list(atoms)] = number
    return index


def twice(pairs: Any) -> np.ndarray:
    both = [p for i, j in pairs for p in ((i, j), (j, i))]
    return np.array(both, np.int32).reshape(-1, 2).T
