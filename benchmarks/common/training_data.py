"""A store for the training benchmarks: one that is named, or one built from a file of peptides."""

from __future__ import annotations

import itertools
from pathlib import Path

from pepland_data import BuildOptions, build

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT.parent / "shared" / "data" / "canonical.csv"


def training_store(shards: str | None, source: str | None, rows: int, folder: Path) -> Path:
    """Return a store to train on.

    Args:
        shards: path of a store, used as it is.
        source: file of peptides, of which a store is built in `folder`.
        rows: at most that many of them, 0 for all.
        folder: scratch folder.
    """
    if shards:
        return Path(shards)
    found = Path(source) if source else CORPUS
    if not found.is_file():
        raise SystemExit(f"{found} is not there; give --shards STORE or --input FILE")
    with found.open(encoding="utf-8") as lines:
        head = list(itertools.islice(lines, rows + 1 if rows else None))
    copy = folder / f"{found.stem}.csv"
    copy.write_text("".join(head), encoding="utf-8")
    build(copy, folder / "store", BuildOptions(workers=2))
    return folder / "store"
