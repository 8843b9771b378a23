"""Files the library ships."""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """Return the bundled sample: 1,200 peptides, columns smiles, kind and source."""
    return Path(__file__).parent / "sample.csv"
