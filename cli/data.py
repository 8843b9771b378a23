"""``pepland-data``: from texts to stores, and everything one does with a store."""

from __future__ import annotations

import click
from pepland_cli.output import LazyGroup

COMMANDS = {
    "build": ("pepland_cli.build:build", "Turn SMILES, sequences or HELM into a store."),
    "info": ("pepland_cli.info:info", "Show what is in a store."),
    "verify": ("pepland_cli.verify:verify", "Check every byte of a store."),
    "convert": ("pepland_cli.convert:convert", "Rewrite a store as Arrow or Zarr."),
    "merge": ("pepland_cli.merge:merge", "Join stores into one."),
    "split": ("pepland_cli.split:split", "Split a store into train, valid and test."),
    "show": ("pepland_cli.show:show", "Draw a peptide with its fragments."),
    "synth": ("pepland_cli.synth:synth", "Make synthetic peptides."),
    "export": ("pepland_cli.export:export", "Write Parquet, DGL or PyG files."),
    "vocab": ("pepland_cli.vocab:vocab", "Count fragments; make or check a vocabulary."),
    "plan": ("pepland_cli.plan:plan", "Say which loader tier fits a memory size."),
}


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: pepland-data build peptides.csv --out data/ --workers 32",
)
@click.version_option(package_name="pepland-data")
def main() -> None:
    """Peptides in, heterograph stores out: parallel, resumable, verifiable."""
