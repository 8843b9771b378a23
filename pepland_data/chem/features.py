"""The feature rows of an atom, a bond and a fragment, as bytes."""

from __future__ import annotations

import os
from functools import cache, lru_cache
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import ChemicalFeatures, rdMolDescriptors

try:
    from rdkit.RDPaths import RDDataDir
except ImportError:  # built from its sources, where only the variable RDBASE names the folder
    from rdkit.RDConfig import RDDataDir

ATOMIC_NUMBERS = (35, 6, 7, 8, 9, 15, 16, 17, 53)
FORMAL_CHARGES = (-1, -2, 1, 2, 0)
HYBRIDIZATIONS = ("SP", "SP2", "SP3", "SP3D", "SP3D2")
BOND_TYPES = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")


def one_hot(value: Any, choices: Any) -> list[int]:
    """Return one slot per choice and a last slot for all other values."""
    slots = [int(value == choice) for choice in choices]
    return [*slots, int(not any(slots))]


def atom_row(atom: Any) -> bytes:
    """Return the feature row of an atom: 42 float32 as bytes."""
    row = [
        *one_hot(atom.GetAtomicNum(), ATOMIC_NUMBERS),
        *one_hot(atom.GetTotalDegree(), range(6)),
        *one_hot(atom.GetFormalCharge(), FORMAL_CHARGES),
        *one_hot(int(atom.GetChiralTag()), range(4)),
        *one_hot(atom.GetTotalNumHs(), range(5)),
        *one_hot(atom.GetHybridization().name, HYBRIDIZATIONS),
        int(atom.GetIsAromatic()),
        atom.GetMass() * 0.01,
    ]
    return np.array(row, np.float32).tobytes()


def bond_row(bond: Any) -> bytes:
    """Return the feature row of a bond: 14 uint8 as bytes."""
    kind = bond.GetBondType().name
    row = [
        0,
        *(int(kind == name) for name in BOND_TYPES),
        int(bond.GetIsConjugated()),
        int(bond.IsInRing()),
        *one_hot(int(bond.GetStereo()), range(6)),
    ]
    return bytes(row)


@cache
def feature_factory() -> tuple[Any, tuple[str, ...]]:
    """Return RDKit's base features and the names of their 27 types, read once per process.

    They are those of the RDKit that is running: the variable RDBASE may name another one.
    """
    path = os.path.join(RDDataDir, "BaseFeatures.fdef")
    factory = ChemicalFeatures.BuildFeatureFactory(path)  # type: ignore[attr-defined]
    return factory, tuple(name.split(".")[1] for name in factory.GetFeatureDefs())


@lru_cache(maxsize=20_000)
def fragment_row(smiles: str) -> bytes:
    """Return the feature row of a fragment: 196 uint8 as bytes, 0 if RDKit cannot read it.

    Args:
        smiles: the fragment as written by ``MolFragmentToSmiles``.
    """
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return bytes(196)
    factory, names = feature_factory()
    present = {feature.GetType() for feature in factory.GetFeaturesForMol(mol)}
    maccs = bytearray(167)
    for bit in rdMolDescriptors.GetMACCSKeysFingerprint(mol).GetOnBits():
        maccs[bit] = 1
    return bytes([*maccs, 0, *(int(name in present) for name in names), 0])
