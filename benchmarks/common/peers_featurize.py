"""Other featurizers, measured in the environment that they need.

`benchmarks.bench_featurize` runs this script with another interpreter. It reads one JSON line with
the SMILES and answers with the versions of the featurizers that can be imported. Then it reads one
name per line, converts all SMILES with that featurizer on one thread (in batches if possible), and
answers with the seconds.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

Convert = Callable[[list[str]], Any]
"""Converts SMILES."""
BATCH = 256
"""SMILES of one batch, as many as in a batch of pepland-data."""


def _one_by_one(convert: Callable[[str], Any]) -> Convert:
    def convert_all(smiles: list[str]) -> None:
        for text in smiles:
            convert(text)

    return convert_all


def rdkit_parse() -> Convert:
    """RDKit's parser alone, to compare the environments."""
    from rdkit import Chem

    return _one_by_one(Chem.MolFromSmiles)


def ogb() -> Convert:
    """OGB: atoms and bonds."""
    from ogb.utils import smiles2graph

    return _one_by_one(smiles2graph)


def torch_geometric() -> Convert:
    """PyG: atoms and bonds."""
    from torch_geometric.utils import from_smiles

    return _one_by_one(from_smiles)


def chemprop() -> Convert:
    """Chemprop: atoms and bonds of its default featurizer."""
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
    from rdkit import Chem

    featurizer = SimpleMoleculeMolGraphFeaturizer()
    return _one_by_one(lambda smiles: featurizer(Chem.MolFromSmiles(smiles)))


def cuik_molmaker() -> Convert:
    """NVIDIA's C++: atoms and bonds, with the properties that Chemprop asks it for."""
    import cuik_molmaker as cuik
    import numpy as np

    names = ["atomic-number", "total-degree", "formal-charge", "chirality", "num-hydrogens"]
    atoms = cuik.atom_onehot_feature_names_to_array([*names, "hybridization"])
    floats = cuik.atom_float_feature_names_to_array(["aromatic", "mass"])
    bonds = cuik.bond_feature_names_to_array(
        ["is-null", "bond-type-onehot", "conjugated", "in-ring", "stereo"]
    )
    hydrogens, offset_carbon, both_directions, loops = False, False, True, False
    how = (hydrogens, offset_carbon, both_directions, loops)

    def convert(smiles: list[str]) -> None:
        for start in range(0, len(smiles), BATCH):
            batch = smiles[start : start + BATCH]
            rows = cuik.batch_mol_featurizer(batch, atoms, floats, bonds, *how)[0]
            assert isinstance(rows, np.ndarray)
            assert len(rows) >= len(batch)

    return convert


PEERS = {
    "rdkit": rdkit_parse,
    "ogb": ogb,
    "torch_geometric": torch_geometric,
    "chemprop": chemprop,
    "cuik_molmaker": cuik_molmaker,
}
DISTRIBUTIONS = {"cuik_molmaker": "cuik-molmaker-pin"}
"""Name -> distribution on PyPI, where they differ."""


def main() -> None:
    """Answer on standard output until the input ends."""
    logging.disable(logging.WARNING)
    answers, sys.stdout = sys.stdout, sys.stderr
    smiles = json.loads(sys.stdin.readline())
    ready: dict[str, Convert] = {}
    for name, make in PEERS.items():
        try:
            ready[name] = make()
            ready[name](smiles[:1])
        except ImportError:
            continue
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    found = {name: importlib.metadata.version(DISTRIBUTIONS.get(name, name)) for name in ready}
    print(json.dumps(found), file=answers, flush=True)
    for line in sys.stdin:
        convert = ready[line.strip()]
        start = time.perf_counter()
        convert(smiles)
        print(json.dumps(time.perf_counter() - start), file=answers, flush=True)


if __name__ == "__main__":
    main()
