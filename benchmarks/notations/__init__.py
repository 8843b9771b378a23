"""Real strings of peptide notations with what their sources say, for `bench_notations`.

``strings.csv`` has one string per row, as its source writes it:

- ``notation``: condensed, biln, proforma or helm.
- ``expected``, ``kind``: what the string is, as smiles, inchikey, formula, mass (monoisotopic, Da)
  or weight (average, Da); empty if neither its source nor a second tool says it.
- ``by``: who says so, the source or a second tool with its version.
- ``unclear``: why the string alone is no one structure; a refusal is right then.
- ``source``: a package with commit and file, a paper, a patent or a page.
- ``cause``: why our molecule is another one, if it is.
"""
