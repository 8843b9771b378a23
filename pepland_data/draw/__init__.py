"""Pictures: one peptide with its fragments, monomers side by side, and charts.

- `drawing`: from a text to an SVG or PNG file. Read it first.
- `atom_places`: coordinates of all atoms, the least crowded of several layouts.
- `backbone`: the zigzag and the circle that a backbone is drawn as.
- `monomer_grid`: monomers side by side.
- `figures`: lines, bars and dots of matplotlib as SVG for a page.
- `page`: the frame of all reports, ``frame.html.j2``, and their macros, ``parts.html.j2``.
"""
