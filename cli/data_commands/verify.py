"""``pepland-data verify``: check that a store is what was written."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from pepland_cli import options
from pepland_cli.output import EXIT_REJECTED, Command, json_option, render


@click.command(cls=Command, epilog="Example: pepland-data verify data/ --semantic 100")
@click.argument("store", type=click.Path())
@click.option(
    "--semantic", type=click.IntRange(0), default=0, show_default=True, metavar="N",
    help="Number of graphs to make again from their texts and to compare (needs RDKit).",
)  # fmt: skip
@options.monomers
@json_option
def verify(store: str, semantic: int, monomers: tuple[str, ...], as_json: bool) -> None:
    """Check every byte of STORE, a folder made by build; exit code 3 if it is damaged."""
    from pepland_data.store.verify import verify as verify_store

    report = verify_store(store, semantic, monomers=options.given_monomers(monomers))
    render({**asdict(report), "sound": report.sound}, as_json, text)
    if not report.sound:
        raise SystemExit(EXIT_REJECTED)


def text(r: dict[str, Any]) -> str:
    """Return the text for the screen."""
    if r["findings"]:
        return "\n".join([f"{r['path']}: damaged", *(f"  {f}" for f in r["findings"])])
    again = f", {r['recomputed']:,} made again" if r["recomputed"] else ""
    return f"{r['path']}: sound ({r['files']} files, {r['graphs']:,} graphs{again})"
