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
        shares = {k: float(v) for k, v in (part.split("=") for part in text.split(","))}
    except ValueError as error:
        raise click.BadParameter(f"{text!r}; expected train=0.9,test=0.1") from error
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise click.BadParameter(
            f"{text!r} add up to {sum(shares.values()):g}; give shares from 0 that add up to 1, "
            "such as train=0.8,valid=0.1,test=0.1"
        )
    return shares


def _check_column(by: str, column: str | None) -> None:
    """Raise UsageError if a column is missing, or has no effect."""
    if (by in ("group", "column")) != (column is not None):
        wanted = "needs a column of the store; name it with --column" if column is None else (
            "takes no --column; add --by column or --by group, or leave it out"
        )  # fmt: skip
        raise click.UsageError(f"--by {by} {wanted}")


@click.command(cls=Command, epilog=EPILOG)
@click.argument("store", type=click.Path())
@click.option(
    "--by", type=click.Choice(["random", "similarity", "scaffold", "group", "column", "file"]),
    default="random", show_default=True,
    help="How peptides are assigned. random: each by chance; similarity: those that differ little "
    "are in one set; scaffold: those with the same rings (Murcko) are; group: those with one value "
    "in --column are; column: --column names the set; file: --file names it.",
)  # fmt: skip
@click.option(
    "--fractions", default="train=0.9,valid=0.05,test=0.05", show_default=True, callback=_shares,
    help="Sets, and the share of the peptides in each.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option(
    "--name", default="default", show_default=True,
    help="Name of this split; pepland-train reads the one called default.",
)  # fmt: skip
@click.option(
    "--threshold", type=click.FloatRange(0.9, 1), metavar="IDENTITY",
    help="For --by similarity: least share of equal residues of two peptides that are kept in one "
    "set [default: they differ by one residue].",
)  # fmt: skip
@click.option("--column", help="Column for --by group or column.")
@click.option(
    "--file",
    type=click.Path(),
    help="CSV file for --by file, with a column row_id or smiles, and a column set.",
)
@options.monomers
@json_option
def split(
    store: str, by: str, fractions: dict[str, float], monomers: tuple[str, ...], as_json: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Divide the peptides of STORE, a folder made by build, into train, valid and test.

    The split is recorded in the folder splits/ of the store, where pepland-train finds it.
    """
    _check_column(by, given["column"])
    from pepland_data import open_store
    from pepland_data.store.split.make import make_split
    from pepland_data.store.split.recorded import write_split

    opened = open_store(store)
    given["monomers"] = options.given_monomers(monomers)
    made = make_split(opened, by, fractions, **given)
    path = write_split(opened, made)
    result = {"file": str(path), "method": by, "sets": made.counts(), "recipe": dict(made.recipe)}
    render(result, as_json, lambda r: f"{r['file']}: {r['sets']}")
