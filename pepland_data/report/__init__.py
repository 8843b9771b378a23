"""What is in a store, as numbers and as one HTML page, for a look before training.

Read `numbers` first.

- `counting`: how each group of numbers is counted.
- `numbers`: all numbers of one or two stores as a plain dict, which ``--json`` prints.
- `charts`: the numbers as pictures.
- `molecules`: peptides and fragments as pictures.
- `page`: one HTML page with all of it, from ``page.html.j2``.
"""
