"""Write docs/resources.md and its Chinese version from the result files.

With --measure, first run `pepland-bench estimate` for a corpus, which takes a minute.
"""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.resources.measure import measure, named_stores
from benchmarks.resources.pages import pages

DOCS = Path(__file__).resolve().parent.parent / "docs"


def say(line: str) -> None:
    """Show what is being done."""
    click.echo(line, err=True)


@click.command(help=__doc__)
@click.option("--measure", "corpora", multiple=True, metavar="NAME=STORE[,STORE]",
              help="Estimate a corpus, and keep the result; may be repeated.")  # fmt: skip
def main(corpora: tuple[str, ...]) -> None:
    for name, stores in map(named_stores, corpora):
        say(f"wrote {measure(name, stores, say)}")
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        say(f"wrote {DOCS / name}")


if __name__ == "__main__":
    main()
