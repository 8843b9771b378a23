"""``pepland-data vocab``: the most frequent fragments of a store."""

from __future__ import annotations

from typing import Any

import click

from pepland_cli.output import Command, json_option, render


@click.command(cls=Command, epilog="Example: pepland-data vocab data/ --top 258 -o vocab.txt")
@click.argument("store", type=click.Path())
@click.option(
    "--top", type=click.IntRange(1), default=258, show_default=True,
    help="Number of fragments in the vocabulary. PepLand has 258.",
)  # fmt: skip
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    default=None,
    help="File to write the vocabulary to, one SMILES per line.",
)
@json_option
def vocab(store: str, top: int, out: str | None, as_json: bool) -> None:
    """Count the fragments of STORE and make a vocabulary of the most frequent ones.

    Pre-training predicts masked fragments, and the vocabulary lists those it can predict.
    pepland-train makes one itself; make one here to use it for several runs.
    """
    from pepland_data import Vocabulary, open_store
    from pepland_data.store.summary import coverage, most_frequent

    opened = open_store(store)
    counts = most_frequent([opened], top)
    vocabulary = Vocabulary(tuple(counts))
    if out:
        vocabulary.write(out)
    fragments = [{"smiles": smiles, "count": count} for smiles, count in counts.items()]
    result = {"out": out, **coverage(opened, vocabulary), "fragments": fragments}
    render(result, as_json, text)


def text(r: dict[str, Any]) -> str:
    """Return the text for the screen, with the twenty most frequent fragments."""
    lines = [f"{r['size']} fragments cover {r['covered']:.1%} of the store"]
    lines += [f"  {f['count']:>9,}  {f['smiles']}" for f in r["fragments"][:20]]
    if r["out"]:
        lines.append(f"written to {r['out']}")
    return "\n".join(lines)
