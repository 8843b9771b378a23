"""Options that several commands have: how texts are read and where molecules are cut."""

from __future__ import annotations

import click

smiles_column = click.option(
    "--smiles-column", default=None, help="Column of the text; found by name if not given."
)
input_format = click.option(
    "--input-format",
    type=click.Choice(["auto", "smiles", "sequence", "fasta", "helm"]),
    default="auto",
    show_default=True,
    help="What the texts are.",
)
cut = click.option(
    "--cut", type=click.Choice(["adafrag", "amiibo"]), default="adafrag", show_default=True,
    help="Where molecules are cut into fragments.",
)  # fmt: skip
trained_cut = click.option(
    "--cut", type=click.Choice(["adafrag", "amiibo"]), default=None,
    help="Where molecules are cut; by default as in the store the encoder was trained on.",
)  # fmt: skip
max_atoms = click.option(
    "--max-atoms", type=click.IntRange(1), default=5000, show_default=True,
    help="Larger molecules are rejected.",
)  # fmt: skip
standardize = click.option(
    "--standardize",
    is_flag=True,
    help="Keep the largest piece of each SMILES, without salts and charges; changes are noted.",
)
max_reject_frac = click.option(
    "--max-reject-frac", type=click.FloatRange(0, 1), default=0.1, show_default=True,
    help="More rejects than this share end with exit code 3; what was made is kept.",
)  # fmt: skip
