"""The heterograph: atoms and fragments of a peptide as integer codes into tables of features.

The featurizer (`pepland_data.chem`) makes these objects, stores and batches hold them.
Read ``heterograph.py`` first: it shows everything a graph contains.

heterograph.py - one graph with its tables, and the same graph as plain arrays.
columns.py - many graphs as flat arrays: take, slice, concatenate.
feature_tables.py - the distinct feature rows: join tables and change codes to match.
table_builder.py - tables that grow while graphs are made.
vocabulary.py - fragment SMILES as training labels.
"""
