"""``pepland-data card``: a README.md for the folder of a store."""

from __future__ import annotations

import click

from pepland_cli.output import Command, json_option, render


@click.command(cls=Command, epilog="Example: pepland-data card data/ --license cc-by-4.0")
@click.argument("store", type=click.Path())
@click.option(
    "--out", type=click.Path(), default=None, help="File to write [default: README.md in STORE]."
)
@click.option("--name", default="", help="Title [default: the name of the folder].")
@click.option("--license", "licence", default="", help="Licence of the data, such as cc-by-4.0.")
@json_option
def card(store: str, out: str | None, name: str, licence: str, as_json: bool) -> None:
    """Write a README.md for STORE that describes it, with the metadata of the Hugging Face Hub.

    A card that was changed by hand is not replaced.
    """
    from pepland_data import open_store
    from pepland_data.store.card import write_card

    path = write_card(open_store(store), out, name, licence)
    ask = "" if licence else "; fill in the licence at its top, or give --license"
    render({"out": str(path)}, as_json, lambda r: f"wrote {r['out']}{ask}")
