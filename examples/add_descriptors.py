"""Add descriptors of the whole molecule to a table of peptides, as columns to pre-train on.

Usage: python examples/add_descriptors.py IN.csv OUT.csv [COLUMN]

COLUMN has the peptides, in any notation; default: smiles. A peptide that cannot be read has empty
descriptors. `pepland-data build OUT.csv` keeps the columns in the store.
"""

from __future__ import annotations

import csv
import sys

from joblib import Parallel, delayed
from rdkit.Chem import Descriptors

from pepland_data import FeaturizeOptions, InvalidMoleculeError
from pepland_data.chem.notation.parse import parse
from pepland_data.chem.rdkit_messages import RdkitMessages

NAMES = [
    "MolWt", "MolLogP", "MolMR", "TPSA", "LabuteASA", "NumHAcceptors", "NumHDonors",
    "NumRotatableBonds", "FractionCSP3", "RingCount", "NumAromaticRings", "NumAliphaticRings",
    "HeavyAtomCount", "NHOHCount", "NOCount", "HallKierAlpha", "Kappa1", "Kappa2", "Kappa3",
    "Chi0v", "Chi1v", "Chi2v", "Chi3v",
    *(f"PEOE_VSA{i}" for i in range(1, 15)), *(f"SMR_VSA{i}" for i in range(1, 11)),
    *(f"SlogP_VSA{i}" for i in range(1, 13)),
]  # fmt: skip
"""Sizes, counts, polarity and surface areas, as RDKit names them."""
BLOCK = 200


def descriptors(texts: list[str]) -> list[list[float | str]]:
    """Return the descriptors of some peptides. [N, descriptors]."""
    with RdkitMessages() as log:
        return [descriptors_of(text, log) for text in texts]


def descriptors_of(text: str, log: RdkitMessages) -> list[float | str]:
    """Return the descriptors of a peptide, or empty texts. [descriptors]."""
    try:
        mol = parse(text, "auto", FeaturizeOptions().max_atoms, log)
    except InvalidMoleculeError:
        return [""] * len(NAMES)
    return [getattr(Descriptors, name)(mol) for name in NAMES]


def main(source: str, target: str, column: str = "smiles") -> None:
    """Write the table with the descriptors beside its columns."""
    with open(source, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    texts = [row[head.index(column)] for row in rows]
    blocks = (texts[i : i + BLOCK] for i in range(0, len(texts), BLOCK))
    found = Parallel(n_jobs=-1)(delayed(descriptors)(block) for block in blocks)
    values = [line for block in found for line in block]
    with open(target, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*head, *NAMES])
        writer.writerows([*row, *line] for row, line in zip(rows, values, strict=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
