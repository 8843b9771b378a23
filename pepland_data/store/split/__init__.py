"""Split a store: assign each graph to a set (train, valid, test) and record the result.

A store comes in; a `recorded.Split` goes out, which is kept as a file in the folder ``splits`` of
the store. Read `make` first.

make - choose a method and assign whole groups to sets
recorded - write, read and check recorded splits
random_sets - sets from the hash of each text
piece_graph - peptides as graphs of residues and amides
similar_groups - groups of peptides that differ by one residue
identity_groups - groups of peptides whose identity reaches a threshold
"""
