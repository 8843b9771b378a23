"""``pepland-data vocab``: the fragments of a store."""

from __future__ import annotations

from typing import Any

import click

from pepland_cli.output import Command, json_option, render


@click.command(cls=Command, epilog="Example: pepland-data vocab data/ --top 258 -o vocab.txt")
@click.argument("store")
@click.option("--top", type=click.IntRange(1), default=258, show_default=True)
@click.option("-o", "--out", default=None, help="Write the vocabulary, one SMILES per line.")
@json_option
def vocab(store: str, top: int, out: str | None, as_json: bool) -> None:
    """Count the fragments of STORE and make a vocabulary of the most frequent ones."""
    from pepland_data import open_store
    from pepland_data.store.summary import coverage, fragment_counts, most_frequent

    opened = open_store(store)
    vocabulary = most_frequent(opened, top)
    if out:
        vocabulary.write(out)
    counts: dict[str, int] = {}
    for smiles, n in zip(opened.tables.fragment_smiles, fragment_counts(opened), strict=True):
        counts[smiles] = counts.get(smiles, 0) + int(n)
    fragments = [{"smiles": s, "count": counts[s]} for s in vocabulary.fragments]
    result = {"out": out, **coverage(opened, vocabulary), "fragments": fragments}
    render(result, as_json, text)


def text(r: dict[str, Any]) -> str:
    """Return the twenty most frequent fragments on screen."""
    lines = [f"{r['size']} fragments cover {r['covered']:.1%} of the store"]
    lines += [f"  {f['count']:>9,}  {f['smiles']}" for f in r["fragments"][:20]]
    if r["out"]:
        lines.append(f"written to {r['out']}")
    return "\n".join(lines)
