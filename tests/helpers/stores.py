"""Small inputs and stores, and the files of a store."""

from __future__ import annotations

from functools import cache
from pathlib import Path

PEPTIDES = ["NCC(=O)NCC(=O)O", "C[C@H](N)C(=O)O", "NCC(=O)N1CCC[C@H]1C(=O)O", "CC(=O)[O-].[Na+]"]
BAD_ROWS = {3, 17, 18, 19, 20, 21, 33, 59}
"""Rows of `write_rows` that become rejects."""


def write_csv(path: Path, count: int = 40, bad: tuple[int, ...] = ()) -> Path:
    """Write `count` rows of four peptides with an id and a number; rows `bad` are no SMILES."""
    rows = [("not a smiles" if i in bad else PEPTIDES[i % 4], f"{i / 2}") for i in range(count)]
    path.write_text(
        "id,smiles,affinity\n" + "".join(f"p{i},{s},{a}\n" for i, (s, a) in enumerate(rows)),
        encoding="utf-8",
    )
    return path


@cache
def sixty_smiles() -> list[str]:
    """Return the texts of `write_rows`; the import is late for machines without RDKit."""
    from pepland_data.inputs.synthetic import SynthOptions, peptides

    return [made.text("smiles") for made in peptides(SynthOptions(60, 5))]


def write_rows(path: Path, rows: range) -> Path:
    """Write some of sixty distinct peptides, eight of them broken, with a number each."""
    lines = [f"{'broken(' if i in BAD_ROWS else sixty_smiles()[i]},{i / 4}\n" for i in rows]
    path.write_text("smiles,affinity\n" + "".join(lines), encoding="utf-8")
    return path


def built_store(
    folder: Path, name: str, rows: range, rows_per_shard: int = 7, **options: object
) -> Path:
    """Build ``folder/name`` from the rows of `write_rows`; return its path."""
    from pepland_data import BuildOptions, FeaturizeOptions, build

    source = write_rows(folder / f"{name}.csv", rows)
    featurize = FeaturizeOptions(**options)  # type: ignore[arg-type]
    build(source, folder / name, BuildOptions(featurize, rows_per_shard=rows_per_shard))
    return folder / name


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the content of each file, by its path inside the folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def files_but_manifest(folder: Path) -> dict[str, bytes]:
    """Return `files_of` without the manifest, which names the inputs of the store."""
    return {name: data for name, data in files_of(folder).items() if name != "manifest.json"}
