"""Options of several commands: how texts are read and molecules are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pepland_cli.output import say

if TYPE_CHECKING:
    from pepland_data.chem.monomers.given import GivenMonomers

smiles_column = click.option(
    "--smiles-column", metavar="NAME",
    help="Column with the peptides, in any notation [default: found by its name].",
)  # fmt: skip
input_format = click.option(
    "--input-format",
    type=click.Choice(
        ["auto", "smiles", "sequence", "fasta", "helm", "three-letter", "biln", "proforma"]
    ),
    default="auto",
    show_default=True,
    help="Notation of the peptides. auto recognises it.",
)
lowercase = click.option(
    "--lowercase", type=click.Choice(["refuse", "d-amino"]), default="refuse", show_default=True,
    help="Small letters of one-letter codes, as in cyclo(RGDfK): refused, or D residues.",
)  # fmt: skip
cut = click.option(
    "--cut", type=click.Choice(["adafrag", "amiibo"]), default="adafrag", show_default=True,
    help="Rule that divides a molecule into fragments: amiibo cuts on both sides of each amide; "
    "adafrag cuts what is left as BRICS does, as PepLand was trained.",
)  # fmt: skip
trained_cut = click.option(
    "--cut", type=click.Choice(["adafrag", "amiibo"]), default=None,
    help="Rule that divides a molecule into fragments [default: that of the store that the network "
    "was trained on].",
)  # fmt: skip
max_atoms = click.option(
    "--max-atoms", type=click.IntRange(1), default=5000, show_default=True,
    help="Molecules with more heavy atoms than this are rejected.",
)  # fmt: skip
monomers = click.option(
    "--monomers", type=click.Path(), multiple=True, metavar="FILE",
    help="Library of further monomers (residues and caps) for HELM, as XML, JSON, CSV or SDF; may "
    "be repeated, the last file wins.",
)  # fmt: skip
workers = click.option(
    "--workers", type=click.IntRange(1), default=None,
    help="Number of processes [default: all cores].",
)  # fmt: skip
standardize = click.option(
    "--standardize",
    is_flag=True,
    help="Remove salts and charges from each SMILES; changes are recorded as notes.",
)
max_reject_frac = click.option(
    "--max-reject-frac", type=click.FloatRange(0, 1), default=0.1, show_default=True,
    help="Exit with code 3 if a larger share of rows is rejected; the result is kept. A build "
    "stops early if this is so for most of the first 1,000 rows; 1 builds everything.",
)  # fmt: skip


def given_monomers(paths: Sequence[str]) -> GivenMonomers | None:
    """Return the monomers of ``--monomers``, None without; say on stderr what they replace."""
    if not paths:
        return None
    from pepland_data.chem.monomers.given_files import given_monomers as read

    given = read(paths)
    for note in given.notes if given else ():
        say(f"note: {note}", err=True)
    return given
