"""Letters of residues and names of polymers that tell notations apart."""

from __future__ import annotations

AMINO_ACIDS = frozenset("ACDEFGHIKLMNPQRSTVWY")
NEVER_SMILES = AMINO_ACIDS - frozenset("CFINPS")
"""Amino acids whose letters are not atoms in SMILES; a text with such a letter is a sequence."""
RARE_AMINO_ACIDS = frozenset("UO")
"""Selenocysteine and pyrrolysine, which are no atoms of SMILES or other atoms."""

POLYMERS = ("PEPTIDE", "RNA", "CHEM", "BLOB")
"""The names of polymers that a HELM text can begin with."""
