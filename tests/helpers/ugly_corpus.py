"""A corpus that provokes what a build can say: notes, rejects, duplicates, salts, a time limit."""

from __future__ import annotations

import csv
import gzip
from itertools import islice
from pathlib import Path

from pepland_data.resources import sample_path
from tests.helpers.paths import ROOT

SLOW = "C" * 800
"""One fragment whose features take RDKit seconds."""
TIME_LIMIT = 0.5
"""Seconds in which everything but `SLOW` is done."""
SPOKEN_OF = [
    "[H+]", "C[C@@](F)(Cl)Br |o1:1|", "F/C=C/C(/F)=C/F", "F/C(=C/Cl)/C=C", "[CH3:7]CO",
    "CC(=O)[O-].[NH4+]", "CC(=O)[O-].[Na+]", "[NH3+]CC(=O)[O-]", "[O-][N+](=O)c1ccccc1", "CO.Cl",
    "c1cccc1", "c1ccccc", "C1CC", "C(C)(C)(C)(C)C", "C*C", "N[Pt@SP1](Cl)(Cl)N", "[Xx]", "CC\u00e9",
    "not a smiles", "ACDEF", "CNC", "ACDX", "PEPTIDE1{A.[dC].G}$$$$", "PEPTIDE1{A.[Aib].G}$$$$",
    "PEPTIDE1{A.[odd].G}$$$$", "OC(=O)[C@@H]1CCCN1 a name", "CCO", "OCC", "C[S@](=O)CC",
    "F/C=C\\F", "[2H]C([2H])([2H])N", "C12C3C4C1C5C2C3C45",
]  # fmt: skip
"""Texts that RDKit or this package says something about, and texts of every notation."""


def ugly_texts() -> list[str]:
    """Return texts of real peptides with the others in between; rows repeat on purpose."""
    texts = [*_sample(150), *_real(150), *SPOKEN_OF]
    mixed = [text for i in range(5) for text in texts[i::5]]  # neighbours are of different kinds
    return [*mixed, SLOW, *mixed[:60], *SPOKEN_OF[::-1]]


def write_ugly(path: Path) -> Path:
    """Write the corpus as CSV with a column of numbers and one of words."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "number", "w\u00f6rd"])
        for i, text in enumerate(ugly_texts()):
            writer.writerow([text, i / 4 if i > 90 else i, f"\u00e9{i % 7}"])
    return path


def _sample(count: int) -> list[str]:
    with sample_path().open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["smiles"] for row in rows[:: len(rows) // count]]


def _real(count: int) -> list[str]:
    """Return texts of corpora that are not shipped; none where they are absent."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        return []
    texts = []
    for name, column in (("binding.csv", "smiles"), ("noncanonical.csv", "smiles")):
        with (data / name).open(newline="", encoding="utf-8") as file:
            texts += [row[column] for row in islice(csv.DictReader(file), count)]
    with gzip.open(data / "corpus" / "chembl_helm.csv.gz", "rt", encoding="utf-8") as file:
        texts += [row["helm"] for row in islice(csv.DictReader(file), 0, 20 * count, 100)]
    return texts
