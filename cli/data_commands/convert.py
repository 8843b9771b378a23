"""``pepland-data convert``: a store in the other format, Arrow or Zarr."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import click

from pepland_cli import options
from pepland_cli.data_commands.build import ProgressBars
from pepland_cli.output import Command, json_option, render

EPILOG = """\b
Examples:
  pepland-data convert data/ archive/ --format zarr
  pepland-data convert archive/ data/ --format arrow
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("store", type=click.Path())
@click.argument("out", type=click.Path())
@click.option(
    "--format", "kind", type=click.Choice(["arrow", "zarr"]), required=True,
    help="Kind of store: arrow is read in place, without loading it; zarr is compressed.",
)  # fmt: skip
@options.workers
@json_option
def convert(store: str, out: str, kind: str, workers: int | None, as_json: bool) -> None:
    """Write STORE, a folder made by build, in another format to OUT, a new folder.

    Converting back gives the same bytes.
    """
    from pepland_data.builder.convert_format import convert as convert_store
    from pepland_data.loader.prefetch import usable_cores

    workers = workers or usable_cores()
    with ProgressBars() as progress:
        report = convert_store(store, out, kind, workers, partial(progress, "write"))
    render(
        asdict(report),
        as_json,
        lambda r: (
            f"{r['path']}: {r['graphs']:,} graphs as {r['kind']}, {r['bytes'] / 1e6:,.1f} MB in "
            f"{r['files']} files, {r['bytes'] / max(r['graphs'], 1):,.0f} bytes per graph "
            f"(before {r['bytes_before'] / max(r['graphs'], 1):,.0f})"
        ),
    )
