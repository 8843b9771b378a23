"""Chemistry: a text (SMILES, sequence or HELM) becomes a heterograph.

Read ``featurizer.py`` first. It takes each text through these steps:

text_call.py - one call: its texts, and what is said about them.
reader_choice.py - which reader takes a text.
notation/ - text to RDKit molecule.
monomers/ - what the symbols of HELM stand for, bundled and given.
residues/ - RDKit molecule to HELM; added_columns.py - that and descriptors, as columns.
cuts.py - which bonds are cut, and the pieces that remain.
features.py - the feature row of an atom, a bond and a fragment.
smiles/ - SMILES to molecules without RDKit, as far as their pieces are known.
plain_path.py - one molecule to one graph, in the simplest way.
fast/ - many molecules to many graphs at once, with the same result.
compiled.py - functions on flat arrays as machine code; compile_ahead.py - all of them at once.
understood.py - what was understood of a text, for people.
rdkit_messages.py - RDKit with its default settings, and its messages collected.
conversion.py - the options, and what comes out: graphs, rejects and notes.
"""
