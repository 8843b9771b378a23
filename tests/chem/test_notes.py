"""A note belongs to the text that caused it, whatever was converted before."""

from __future__ import annotations

import csv
from pathlib import Path

from rdkit import Chem

from pepland_data import BuildOptions, Featurizer, build
from pepland_data.chem.featurizer import BATCH
from tests.helpers.stores import files_of


def test_messages_about_fragments_are_no_notes_of_the_next_text(monkeypatch) -> None:
    featurizer = Featurizer()
    graphs = featurizer._path.graphs

    def noisy(*arguments: object) -> object:
        assert Chem.MolFromSmiles("c1cccc1") is None  # RDKit complains that it cannot kekulize
        return graphs(*arguments)

    monkeypatch.setattr(featurizer._path, "graphs", noisy)
    assert featurizer.convert(["NCC(=O)O"] * (2 * BATCH + 1)).notes == []


def test_notes_do_not_depend_on_workers_and_shards(tmp_path: Path, shared_dir: Path) -> None:
    with (shared_dir / "data" / "binding.csv").open(newline="") as file:
        texts = [row["smiles"] for row in csv.DictReader(file)]
    source = tmp_path / "in.csv"
    source.write_text("smiles\n" + "".join(f"{text}\n" for text in [*texts[:900], "no smiles"]))
    for workers in (1, 2):
        build(source, tmp_path / str(workers), BuildOptions(rows_per_shard=300, workers=workers))
    assert files_of(tmp_path / "1") == files_of(tmp_path / "2")
    assert not (tmp_path / "1" / "notes.parquet").exists()
