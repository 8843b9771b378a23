"""Other featurizers behind one pipe, each in the environment that it needs.

Run by `benchmarks.bench_featurize` under another interpreter. Reads one JSON line with the SMILES,
answers with the versions of what can be imported; then reads a name a line, converts all SMILES
with it on one thread, and answers with the seconds that took.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

Convert = Callable[[str], Any]


def rdkit_parse() -> Convert:
    """RDKit's parser alone, to compare the environments."""
    from rdkit import Chem

    return Chem.MolFromSmiles


def ogb() -> Convert:
    """OGB: atoms and bonds."""
    from ogb.utils import smiles2graph

    convert: Convert = smiles2graph
    return convert


def torch_geometric() -> Convert:
    """PyG: atoms and bonds."""
    from torch_geometric.utils import from_smiles

    return from_smiles


def chemprop() -> Convert:
    """Chemprop: atoms and bonds of its default featurizer."""
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
    from rdkit import Chem

    featurizer = SimpleMoleculeMolGraphFeaturizer()
    return lambda smiles: featurizer(Chem.MolFromSmiles(smiles))


PEERS = {
    "rdkit": rdkit_parse,
    "ogb": ogb,
    "torch_geometric": torch_geometric,
    "chemprop": chemprop,
}


def main() -> None:
    """Answer on standard output until the input ends."""
    logging.disable(logging.WARNING)
    answers, sys.stdout = sys.stdout, sys.stderr
    smiles = json.loads(sys.stdin.readline())
    ready: dict[str, Convert] = {}
    for name, make in PEERS.items():
        try:
            ready[name] = make()
            ready[name](smiles[0])
        except ImportError:
            continue
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    found = {name: importlib.metadata.version(name) for name in ready}
    print(json.dumps(found), file=answers, flush=True)
    for line in sys.stdin:
        convert = ready[line.strip()]
        start = time.perf_counter()
        for text in smiles:
            convert(text)
        print(json.dumps(time.perf_counter() - start), file=answers, flush=True)


if __name__ == "__main__":
    main()
