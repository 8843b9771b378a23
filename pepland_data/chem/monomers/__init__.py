"""Monomers of HELM: what their symbols stand for, in the bundled library and in given files.

Read ``definition.py`` first.

definition.py - `Monomer`: one structure with its attachment points and caps.
library_files.py - XML, JSON, CSV and SDF files become monomers.
given.py - `GivenMonomers`: the monomers of given files, as they travel to workers.
given_files.py - files become `GivenMonomers`, with notes on what they replace.
library.py - `MonomerLibrary`: the bundled and the given monomers, for the HELM reader.
"""
