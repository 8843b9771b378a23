"""Files that the library ships: a sample of peptides, written by ``make_sample.py``."""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """Return the path of the sample: 1,200 peptides, columns smiles, kind and source."""
    return Path(__file__).parent / "sample.csv"
