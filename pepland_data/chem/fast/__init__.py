"""Many molecules become many graphs at once, equal to those of `pepland_data.chem.plain_path`.

Read ``fast_path.py`` first; the other files are its steps. ``sequence_path.py`` is separate.

rdkit_records.py - read the atoms and bonds of a molecule from its serialized form.
molecule_batch.py - many molecules as flat arrays; distinct records get numbers and codes.
residue_cuts.py - apply the Amiibo rule to a batch and number the pieces.
piece_keys.py - a key for each piece: pieces with equal keys have equal fragments.
piece_cache.py - the fragments of the pieces with known keys; RDKit computes those of new pieces.
word_table.py - numbers for runs of words; many runs are found at once.
ragged.py - a growing list of integer runs as flat arrays.
batch_fragments.py - the fragments and reactions of a batch from those of its pieces.
cut_pieces.py - copy single pieces out of a molecule.
sequence_path.py - sequences and linear HELM to graphs by templates.
"""
