"""Splits: which graph of a store belongs to which set (train, valid, test).

In: an opened store. Out: a `recorded.Split`, kept in the folder ``splits`` of the store. Read
`make` first.

- `make`: all methods of `pepland-data split`; whole groups go to one set.
- `recorded`: the files in ``splits``, written, read and checked; needs no RDKit.
- `random_sets`: sets from a hash of each text.
- `piece_graph`: peptides as graphs of residues and amides, for the two groupings.
- `similar_groups`: groups of peptides that differ by one residue.
- `identity_groups`: groups of peptides above a threshold of sequence identity.
- `near_rows`: graphs of a store that would be grouped with graphs of other stores, for `exclude`.
- `same_molecules`: which of these are the same molecule.
"""
