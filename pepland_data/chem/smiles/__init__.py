"""SMILES become molecules without RDKit, as far as their pieces are known.

Read ``smiles_path.py`` first; the other files are its steps.

atom_token.py - an atom as it is written, as one number.
smiles_words.py - a text in words: atoms, bond symbols, ring numbers, branches, dots.
written_rows.py - the atoms and bonds of many texts, in RDKit's order.
rings.py - which bonds are in rings, and how small a ring is.
cuts.py - where texts are cut into pieces.
pieces.py - the pieces of texts, and a key for each: all that RDKit's answers depend on.
known_pieces.py - RDKit's answers by key.
answers.py - RDKit's answers about the pieces of one text, and whether they may be remembered.
stereo_proof.py - a proof from the key that RDKit keeps a stereo centre.
smiles_path.py - batches of texts to batches of molecules.
check.py - a share of the graphs compared with RDKit's.
"""
