"""A text in one of several notations becomes an RDKit molecule, or an error says why not.

Read ``parse.py`` first.

parse.py - check a text and read it with the right reader.
detect.py - tell notations apart.
alphabet.py - the letters of residues.
written/ - three-letter codes, condensed texts, BILN and ProForma become HELM.
helm.py - read HELM as SMILES, or with RDKit or helmkit.
helm_smiles.py - write HELM as SMILES.
monomer_template.py - what a monomer adds to such a SMILES.
plain_helm.py - write out repeats of HELM, and leave out annotations and hydrogen bonds.
molblock.py - a record of an SDF file becomes a SMILES.
foreign.py - name the notation of a text that could not be read.
odd_letters.py - name a letter outside of ASCII.
residue_letters.py - what is wrong with a sequence; sequences that look like nucleotides.
standardize.py - remove salts and charges from a SMILES.
molecule_identity.py - 16 bytes that are equal for equal molecules.
monomers.py - write peptides of known residues as SMILES or HELM, for samples and tests.
"""
