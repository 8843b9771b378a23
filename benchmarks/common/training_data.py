"""A store for benchmarks of training: a given one, or one built from a file of peptides."""

from __future__ import annotations

import itertools
from pathlib import Path

from pepland_data import BuildOptions, build

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Corpora that cannot be shipped, in a folder next to the checkout."""
CORPUS = SHARED / "canonical.csv"


def training_store(shards: str | None, source: str | None, rows: int, folder: Path) -> Path:
    """Return a store to train on.

    Args:
        shards: path of a store, used unchanged.
        source: file of peptides; a store is built from it in `folder`.
        rows: most rows of the file, 0 for all.
        folder: scratch folder.
    """
    if shards:
        return Path(shards)
    found = Path(source) if source else CORPUS
    if not found.is_file():
        raise SystemExit(f"{found} does not exist; give --shards STORE or --input FILE")
    with found.open(encoding="utf-8") as lines:
        head = list(itertools.islice(lines, rows + 1 if rows else None))
    copy = folder / f"{found.stem}.csv"
    copy.write_text("".join(head), encoding="utf-8")
    build(copy, folder / "store", BuildOptions(workers=2))
    return folder / "store"
