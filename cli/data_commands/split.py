"""``pepland-data split``: assign graphs to train, valid and test."""

from __future__ import annotations

from typing import Any

import click

from pepland_cli import options
from pepland_cli.output import Command, json_option, render

EPILOG = """\b
Examples:
  pepland-data split data/ --by similarity --fractions train=0.8,valid=0.1,test=0.1
  pepland-data split data/ --by similarity --threshold 0.9
  pepland-data split data/ --by column --column fold --name folds
"""


def _shares(ctx: click.Context, parameter: click.Parameter, text: str) -> dict[str, float]:
    try:
        return {k: float(v) for k, v in (part.split("=") for part in text.split(","))}
    except ValueError as error:
        raise click.BadParameter(f"{text!r}; expected train=0.9,test=0.1") from error


@click.command(cls=Command, epilog=EPILOG)
@click.argument("store")
@click.option(
    "--by", type=click.Choice(["random", "similarity", "scaffold", "group", "column", "file"]),
    default="random", show_default=True,
    help="What keeps graphs in one set, or names the set of each.",
)  # fmt: skip
@click.option(
    "--fractions", default="train=0.9,valid=0.05,test=0.05", show_default=True, callback=_shares
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--name", default="default", show_default=True)
@click.option(
    "--threshold", type=click.FloatRange(0.9, 1), metavar="IDENTITY",
    help="For --by similarity: peptides of this identity are in one set "
    "[default: peptides that differ by one residue].",
)  # fmt: skip
@click.option("--column", help="Column for --by group or column.")
@click.option("--file", help="CSV for --by file, with columns row_id or smiles, and set.")
@options.monomers
@json_option
def split(
    store: str, by: str, fractions: dict[str, float], monomers: tuple[str, ...], as_json: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Assign the graphs of STORE to sets and record the split in its folder splits/."""
    from pepland_data import open_store
    from pepland_data.store.split.make import make_split
    from pepland_data.store.split.recorded import write_split

    opened = open_store(store)
    given["monomers"] = options.given_monomers(monomers)
    made = make_split(opened, by, fractions, **given)
    path = write_split(opened, made)
    result = {"file": str(path), "method": by, "sets": made.counts(), "recipe": dict(made.recipe)}
    render(result, as_json, lambda r: f"{r['file']}: {r['sets']}")
