"""``pepland-data``: build stores, and everything that is done with a store."""

from __future__ import annotations

import os

import click

from pepland_cli.output import LazyGroup
from pepland_cli.versions import version_option

COMMANDS = {
    "build": (
        "pepland_cli.data_commands.build:build",
        "Turn SMILES, sequences or HELM into a store.",
    ),
    "read": (
        "pepland_cli.data_commands.read:read",
        "Show what is understood of a peptide, or why it is rejected.",
    ),
    "info": ("pepland_cli.data_commands.info:info", "Show what is in a store."),
    "report": (
        "pepland_cli.data_commands.report:report",
        "Show on one page what is in a store, or how two differ.",
    ),
    "verify": ("pepland_cli.data_commands.verify:verify", "Check every byte of a store."),
    "convert": ("pepland_cli.data_commands.convert:convert", "Write a store in the other format."),
    "merge": ("pepland_cli.data_commands.merge:merge", "Join stores, or the parts of one build."),
    "exclude": (
        "pepland_cli.data_commands.exclude:exclude",
        "Leave out the peptides of other files, and similar ones.",
    ),
    "split": (
        "pepland_cli.data_commands.split:split",
        "Divide a store into train, valid and test.",
    ),
    "show": ("pepland_cli.data_commands.show:show", "Draw one peptide, or print its graph."),
    "monomers": (
        "pepland_cli.data_commands.monomers:monomers",
        "List the monomers of HELM libraries.",
    ),
    "export": (
        "pepland_cli.data_commands.export:export",
        "Write the graphs as Parquet, DGL or PyTorch Geometric files.",
    ),
    "synth": (
        "pepland_cli.data_commands.synth:synth",
        "Write random peptides, for tests and measurements.",
    ),
    "tier": (
        "pepland_cli.data_commands.tier:tier",
        "Show whether a store fits into memory for training.",
    ),
    "vocab": (
        "pepland_cli.data_commands.vocab:vocab",
        "Count fragments; make a vocabulary of the frequent ones.",
    ),
    "card": ("pepland_cli.data_commands.card:card", "Write a dataset card for a store."),
    "doctor": ("pepland_cli.data_commands.doctor:doctor", "Check what works on this machine."),
}


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    renamed={"plan": "tier"},
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: pepland-data build peptides.csv --out data/",
)
@version_option
@click.option(
    "--cache", type=click.Path(), metavar="DIR", envvar="PEPLAND_CACHE",
    help="Folder for what is fetched from URLs, and for builds to them "
    "[default: ~/.cache/pepland-data].",
)  # fmt: skip
def main(cache: str | None) -> None:
    """Turn peptides into graphs for PepLand's network, and check, join, split or draw them.

    A store is a folder with the graphs of many peptides; `build` makes one, and all other commands
    and pepland-train read it. Each graph has the atoms of a peptide and its fragments as nodes.
    Stores and inputs may be URLs: s3://bucket/data, gs://..., file:///...
    """
    if cache:
        os.environ["PEPLAND_CACHE"] = cache


if __name__ == "__main__":
    main()
