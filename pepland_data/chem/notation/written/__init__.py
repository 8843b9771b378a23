"""Notations in which peptide chemists write become HELM.

Read ``read.py`` first.

read.py - `written_helm`: a text and the name of its notation become HELM.
condensed.py - residues and caps joined by hyphens, or one letter after the other.
condensed_words.py - a word of such a text becomes residues.
caps.py - caps at the ends of a chain, of one word or several.
groups.py - groups at side chains, and chains at their amines.
rings.py - bonds between side chains, of rings in a chain or named behind it.
biln.py - BILN: symbols of monomers, and bonds as ``(bond,point)``.
proforma.py - ProForma: one letter for each residue, and modifications in brackets.
bridges.py - disulfides and lactams named behind a sequence.
brackets.py - brackets that match, and what is between them.
shapes.py - which of them a text is written in.
names.py - names of residues, caps and modifications become monomers.
name_table.py - these names, in names.toml.
variants.py - mirror images, N-methylated residues, aldehydes and alcohols of monomers.
structure.py - `Peptide`: monomers and bonds, written as HELM.
"""
