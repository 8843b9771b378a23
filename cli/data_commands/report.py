"""``pepland-data report``: what is in a store, as a page to look at before training."""

from __future__ import annotations

from typing import Any

import click

from pepland_cli import options
from pepland_cli.output import Command, json_option, render

EPILOG = """\b
Examples:
  pepland-data report data/ -o corpus.html
  pepland-data report train/ noncanonical/ -o drift.html --vocab vocab.txt
  pepland-data report data/ --json > corpus.json
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("store")
@click.argument("store2", required=False)
@click.option("-o", "--out", default=None, help="Page to write, one HTML file.")
@click.option(
    "--vocab", default=None,
    help="Vocabulary file; default: the 258 most frequent fragments of a store.",
)  # fmt: skip
@options.monomers
@json_option
def report(
    store: str, store2: str | None, out: str | None, vocab: str | None,
    monomers: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Count what is in STORE, and how STORE2 differs, and show it on one page.

    The page has sizes, residues, fragments, what the sets of each split share, labels, rejects,
    notes and some peptides. It needs no network. Large stores are sampled, and the page says so.
    """
    from pepland_data import Vocabulary, open_store
    from pepland_data.report.numbers import build_options, corpus_numbers
    from pepland_data.report.page import check_packages, write_page

    if out:
        check_packages()
    vocabulary = Vocabulary.from_file(vocab) if vocab else None
    given = options.given_monomers(monomers)
    first, second = open_store(store), open_store(store2) if store2 else None
    numbers = corpus_numbers(first, second, vocabulary, given)
    if out:
        write_page(numbers, out, build_options(first, given))
    render({"out": out, **numbers}, as_json, _text)


def _text(r: dict[str, Any]) -> str:
    lines = [line for store in r["stores"] for line in _store_lines(store)]
    if drift := r["drift"]:
        lines.append(
            f"drift: {drift['fragments_shared']:,} fragments in both stores, "
            f"{drift['fragments_only_second']:,} only in the second; "
            f"{drift['peptides']['duplicates']:,} of {drift['peptides']['compared']:,} peptides "
            "of the second are in the first"
        )
    return "\n".join([*lines, f"written to {r['out']}" if r["out"] else "-o writes the page"])


def _store_lines(store: dict[str, Any]) -> list[str]:
    shapes, fragments = store["shapes"], store["fragments"]
    lines = [
        f"{store['path']}: {store['counts']['graphs']:,} peptides, "
        f"{store['counts']['rejects']:,} rows rejected",
        f"  of {shapes['peptides']:,}: {shapes['cyclic']:,} cyclic, {shapes['bridged']:,} with a "
        f"disulfide; {fragments['distinct']:,} distinct fragments",
    ]
    for split in store["splits"]:
        lines += [
            f"  split {split['name']}: {one['near_duplicates']:,} of {one['peptides']:,} peptides "
            f"of {one['set']} nearly in {split['train']}"
            for one in split["sets_compared"]
        ]
    return lines
