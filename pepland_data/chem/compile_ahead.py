"""Compile, or load, all compiled functions before the first text, so that no text pays for it."""

from __future__ import annotations

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.featurizer import Featurizer

FIRST = {
    "smiles": [
        "CC(C)C[C@H](NC(=O)[C@H](C)N)C(=O)N1CCC[C@H]1C(=O)NCC(=O)O",
        "C1CC1C/C=C/C(=O)N[C@@H](Cc1c[nH]c2ccccc12)C(=O)[O-]",
        "[NH3+]CC(=O)N%10CCCC%10C(=O)N(C)CC#N",
    ],
    "sequence": ["ACDEFGHIKLMNPQRSTVWY"],
}
"""Notation -> texts that need every function; read twice, since known pieces go another way."""


def compile_ahead() -> None:
    """Convert the first texts. It takes about 20 s once per installation, then a second."""
    for notation, texts in FIRST.items():
        Featurizer(FeaturizeOptions(input_format=notation)).convert(2 * texts)
