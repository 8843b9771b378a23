"""``pepland-data export``: write a store as files of other tools."""

from __future__ import annotations

from dataclasses import asdict

import click

from pepland_cli.output import Command, json_option, render


@click.command(cls=Command, epilog="Example: pepland-data export data/ --to parquet --out pq/")
@click.argument("store", type=click.Path())
@click.option(
    "--to",
    type=click.Choice(["parquet", "dgl", "pyg"]),
    required=True,
    help="Kind of files: Parquet tables, DGL graphs or PyTorch Geometric graphs.",
)
@click.option("--out", type=click.Path(), required=True, help="Folder to write; must be new.")
@json_option
def export(store: str, to: str, out: str, as_json: bool) -> None:
    """Write the graphs of STORE as files of other tools: Parquet, DGL or PyTorch Geometric."""
    from pepland_data import open_store
    from pepland_data.batch.export import export as export_store

    render(
        asdict(export_store(open_store(store), to, out)),
        as_json,
        lambda r: (
            f"{r['path']}: {r['graphs']:,} graphs in {r['files']} files, "
            f"{r['bytes'] / 1e6:,.1f} MB, {r['times_store']:,.1f} times the size of the store"
        ),
    )
