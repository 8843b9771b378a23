"""``pepland-data merge``: join several stores into one."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import click

from pepland_cli.data_commands.build import ProgressBars
from pepland_cli.output import Command, json_option, render

EPILOG = """\b
Examples:
  pepland-data merge part-*/ --out all/
  pepland-data merge canonical/ noncanonical/ --out both/
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("stores", type=click.Path(), nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(), required=True, help="Folder of the joined store; must be new."
)
@click.option(
    "--rows-per-shard",
    type=click.IntRange(1),
    help="Input rows in each file of graphs (shard) [default: as in the first store].",
)
@click.option(
    "--link",
    is_flag=True,
    help="Share unchanged files on disk (hard links) instead of copying them.",
)
@json_option
def merge(
    stores: tuple[str, ...], out: str, rows_per_shard: int | None, link: bool, as_json: bool
) -> None:
    """Join STORES, folders made by build, in the given order.

    Parts of one build (build --part) are joined in any order. The result has the same bytes as one
    build of all their inputs.
    """
    from pepland_data.builder.merge import merge as merge_stores

    with ProgressBars() as progress:
        shown = partial(progress, "merge")
        report = merge_stores(stores, out, rows_per_shard, link, progress=shown)
    render(asdict(report), as_json, text)


def text(r: dict[str, Any]) -> str:
    """Return the summary on screen."""
    if r["nothing_to_do"]:
        return f"{r['path']}: nothing left to do, it is the merge of these stores"
    lines = [
        f"{r['path']}: {r['graphs']:,} graphs and {r['rejects']:,} rejects of {r['rows']:,} rows "
        f"from {r['stores']} stores, {r['bytes'] / 1e6:,.1f} MB in {r['shards']} shards"
    ]
    if r["reused_shards"]:
        lines.append(f"{r['reused_shards']} shards were copied unchanged")
    return "\n".join(lines + [f"note: {note}" for note in r["notes"]])
