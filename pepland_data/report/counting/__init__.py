"""How the numbers of a report are counted, each group from a store or from some of its rows.

- `rows`: some rows of a store, their graphs in blocks, and their texts.
- `sizes`: how often each size occurs; rings and disulfides.
- `residues`: residues by name, from the HELM of some peptides.
- `fragments`: how often each fragment occurs, and what a vocabulary covers.
- `similarity`: how similar two peptides are by their fragments, and which are nearly the same.
- `leakage`: what the sets of a split share with its training set.
- `drift`: how two stores differ.
- `columns`: labels by set, and rejects and notes by reason.
"""
