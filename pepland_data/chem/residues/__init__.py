"""A molecule becomes HELM, its residues by name; read back it is the same molecule, or none.

Read ``to_helm.py`` first.

to_helm.py - check a molecule, write its HELM, and read it back.
residue_bonds.py - the bonds between residues, where a molecule is cut.
units.py - the cut molecule as units: SMILES with points, where they are joined.
symbols.py - what symbol of a library a unit has.
in_line.py - a unit without a symbol as a monomer that the text itself defines.
no_helm.py - the error of a molecule that has no HELM.
chains.py - units in chains, in an order that depends on the molecule alone.
"""
