"""``pepland-data monomers``: what the symbols of HELM stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pepland_cli.output import Command, json_option, render

if TYPE_CHECKING:
    from pepland_data.chem.monomers.definition import Monomer

EPILOG = """\b
Examples:
  pepland-data monomers --search meA
  pepland-data monomers monomers.csv --search 'Phe(' --draw phe.svg
"""
Found = tuple["Monomer", str, str]
"""A monomer, its full name, and the library that defines it."""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("files", type=click.Path(), nargs=-1, metavar="[FILE...]")
@click.option(
    "--search",
    default="",
    metavar="TEXT",
    help="List only those with this text in symbol, name or SMILES.",
)
@click.option(
    "-o", "--draw", "picture", type=click.Path(), metavar="FILE", help="Picture to write, .svg."
)
@json_option
def monomers(files: tuple[str, ...], search: str, picture: str | None, as_json: bool) -> None:
    """List the monomers (residues and caps) that HELM can name, as symbol, kind and SMILES.

    Without FILE, those of the bundled library. FILE is Pistoia or ChEMBL XML, Pistoia JSON, CSV
    with columns Symbol and CXSMILES, or SDF, compressed or not. [*:1] in a SMILES is attachment
    point R1.
    """
    found, faults = _of_files(files) if files else (_bundled(), [])
    wanted = search.casefold()
    chosen = [
        (monomer, name, library)
        for monomer, name, library in found
        if wanted in f"{monomer.symbol}\n{name}\n{monomer.smiles}".casefold()
    ]
    if picture:
        from pepland_data.draw.monomer_grid import draw_monomers

        draw_monomers([monomer for monomer, _, _ in chosen], picture)
    listed = [
        {"symbol": m.symbol, "polymer": m.polymer, "name": name, "library": library,
         "smiles": m.smiles, "caps": {f"R{n}": cap for n, cap in m.caps}}
        for m, name, library in chosen
    ]  # fmt: skip
    result = {"known": len(found), "monomers": listed, "unusable": faults, "drawn": picture}
    render(result, as_json, text)


def _bundled() -> list[Found]:
    from pepland_data.chem.monomers.library import bundled_monomers

    return [(monomer, "", "helmkit") for monomer in bundled_monomers().values()]


def _of_files(files: tuple[str, ...]) -> tuple[list[Found], list[dict[str, str]]]:
    """Return the monomers of all files, and those that cannot be used."""
    from pepland_data.chem.monomers.library_files import read_library

    libraries = [read_library(Path(file)) for file in files]
    found = [(m, lib.names[key], lib.name) for lib in libraries for key, m in lib.monomers.items()]
    faults = [
        {"symbol": symbol, "polymer": polymer, "library": library.name, "reason": why}
        for library in libraries
        for (polymer, symbol), why in library.faults.items()
    ]
    return found, faults


def text(r: dict[str, Any]) -> str:
    """Return the list for the screen."""
    lines = [
        f"  {m['symbol']:<16} {m['polymer']:<8} {m['smiles']}"
        + (f"  {m['name']}" if m["name"] not in ("", m["symbol"]) else "")
        for m in r["monomers"]
    ]
    lines.append(f"{len(r['monomers']):,} of {r['known']:,} monomers")
    lines += [f"  {f['symbol']} cannot be used: {f['reason']}" for f in r["unusable"]]
    return "\n".join(lines + ([f"drawn to {r['drawn']}"] if r["drawn"] else []))
