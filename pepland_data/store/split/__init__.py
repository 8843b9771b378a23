"""Splits: which graph of a store belongs to which set.

- `recorded`: the files beside a store, written and read; needs no RDKit.
- `make`: all methods of `pepland-data split`.
- `random_sets`: sets from a hash of each text.
- `similarity`: groups of peptides that differ by one residue.
- `identity_groups`: groups of peptides above a threshold of sequence identity.
"""
