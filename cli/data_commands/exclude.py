"""``pepland-data exclude``: a store without the peptides of other files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from pepland_cli import options
from pepland_cli.data_commands.build import ProgressBars
from pepland_cli.output import Command, json_option, render

EPILOG = """\b
Examples:
  pepland-data exclude corpus/ --like test.csv --out clean/
  pepland-data exclude corpus/ --like cpp.csv --like antiviral/ --out clean/ --threshold 0.9
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("store", type=click.Path())
@click.option(
    "--like", type=click.Path(), required=True, multiple=True, metavar="FILE",
    help="File as for build, or store, whose peptides are excluded; may be repeated.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(), required=True, help="Folder or URL of the new store; must be new."
)
@click.option(
    "--threshold", type=click.FloatRange(0.9, 1), metavar="IDENTITY",
    help="Least share of equal residues of two peptides that are near each other [default: they "
    "differ by one residue].",
)  # fmt: skip
@options.smiles_column
@options.input_format
@options.lowercase
@options.monomers
@options.workers
@json_option
def exclude(
    store: str, like: tuple[str, ...], out: str, threshold: float | None, workers: int | None,
    monomers: tuple[str, ...], as_json: bool, **record: Any,
) -> None:  # fmt: skip
    """Copy STORE without the peptides that are in FILE, or near to one, such as test peptides.

    Two peptides are near if they differ by one residue, or by what --threshold allows. The excluded
    rows are in rejects.parquet.
    """
    from pepland_data.builder.exclude import exclude as exclude_from
    from pepland_data.builder.options import options_of
    from pepland_data.loader.prefetch import usable_cores

    given = options.given_monomers(monomers)
    reading = options_of(record, given, workers=workers or usable_cores())
    with ProgressBars() as progress:
        report = exclude_from(store, like, out, threshold, reading, progress)
    render({**asdict(report), "excluded": report.excluded}, as_json, text)


def text(r: dict[str, Any]) -> str:
    """Return the summary on screen."""
    if r["nothing_to_do"]:
        return f"{r['path']}: nothing left to do ({r['graphs']:,} peptides, {r['excluded']:,} out)"
    head = (
        f"{r['path']}: {r['graphs']:,} of {r['graphs'] + r['excluded']:,} peptides, "
        f"{r['bytes'] / 1e6:,.1f} MB in {r['shards']} shards"
    )
    return "\n".join([head, *_lines(r)])


def _lines(r: dict[str, Any]) -> Iterator[str]:
    """Yield lines about what was excluded for each file, and what could not be read."""
    if r["excluded"]:
        yield f"{r['excluded']:,} excluded (in rejects.parquet, with the row that each resembles):"
    else:
        yield "nothing is excluded: no peptide is the same as, or near to, one of these files"
    for one in r["like"]:
        yield f"  {one['same']:>8,}  the molecule of a row of {one['name']}"
        yield f"  {one['near']:>8,}  near a row of {one['name']}"
    for one in r["like"]:
        if one["rejects"]:
            yield (
                f"note: {one['rejects']:,} of {one['rows']:,} rows of {one['name']} cannot be "
                "read, so nothing is excluded for them (`pepland-data read TEXT` says why)"
            )
