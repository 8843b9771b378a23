"""``pepland-data info``: numbers about a store."""

from __future__ import annotations

from typing import Any

import click

from pepland_cli.output import Command, json_option, render


@click.command(cls=Command, epilog="Example: pepland-data info data/ --vocab vocab.txt")
@click.argument("store", type=click.Path())
@click.option(
    "--vocab",
    type=click.Path(),
    default=None,
    help="File with one fragment per line, as SMILES; say what share of the store they cover.",
)
@json_option
def info(store: str, vocab: str | None, as_json: bool) -> None:
    """Show what is in STORE, a folder made by build: counts, bytes, sizes of the graphs."""
    from pepland_data import Vocabulary, open_store
    from pepland_data.store.summary import summarize

    vocabulary = Vocabulary.from_file(vocab) if vocab else None
    render(summarize(open_store(store), vocabulary), as_json, text)


def text(r: dict[str, Any]) -> str:
    """Return the text for the screen."""
    counts, tables = r["counts"], r["tables"]
    lines = [
        f"{r['path']}: {counts['graphs']:,} graphs of {counts['rows']:,} rows, "
        f"{counts['rejects']:,} rejected",
        f"  input      {r['input']['name']}, cut {r['options']['cut']}, "
        f"RDKit {r['versions']['rdkit']}",
        f"  size       {r['bytes'] / 1e6:,.1f} MB in {r['shards']} shards, "
        f"{r['bytes_per_graph']:,.0f} bytes per graph",
        f"  tables     {tables['atom']} distinct atoms, {tables['bond']} bonds, "
        f"{tables['fragment']} fragments",
    ]
    if r["columns"]:
        lines.append(f"  columns    {', '.join(r['columns'])}")
    lines.append(
        "  per graph  " + "".join(f"{h:>9}" for h in ("mean", "5 %", "median", "95 %", "max"))
    )
    for name, d in r["distributions"].items():
        if d:
            shown = (d["mean"], d["p5"], d["median"], d["p95"], d["max"])
            lines.append(f"    {name:<9}" + "".join(f"{v:9,.0f}" for v in shown))
    for split in r["splits"]:
        sets = ", ".join(f"{name} {count:,}" for name, count in split["sets"].items())
        lines.append(f"  split      {split['name']} by {split['method']}: {sets}")
    if r["vocabulary"]:
        v = r["vocabulary"]
        lines.append(
            f"  vocabulary {v['size']} entries cover {v['covered']:.1%} of all fragments and "
            f"{v['covered_distinct']:.1%} of the distinct ones"
        )
    return "\n".join(lines)
