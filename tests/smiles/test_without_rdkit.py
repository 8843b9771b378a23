"""Graphs made without RDKit are those made with it, and a fault among them is found."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from pepland_data import DifferentGraphError, FeaturizeOptions, Featurizer
from pepland_data.chem.conversion import Converted
from pepland_data.graph.columns import compact
from tests.helpers.commands import cli_process
from tests.helpers.odd_molecules import odd_molecules, random_orders, sample_smiles
from tests.smiles.test_written_rows import mutated

REJECTS = ["C1CC", "C(C", "CC(C)(C)(C)C", "c1cccc1", "", " ", "C C", "*CC", "xx", "C" * 6000]


class Both:
    """Converts texts without and with RDKit, and compares everything."""

    def __init__(self, cut: str = "adafrag") -> None:
        self.fast = Featurizer(FeaturizeOptions(cut=cut, check_share=0))
        self.slow = Featurizer(FeaturizeOptions(cut=cut, rdkit_only=True))

    def compare(self, texts: list[str]) -> float:
        """Return the share of the texts that were read without RDKit."""
        before = dict(self.fast.cache_counts)
        assert_same(self.fast.convert(texts), self.slow.convert(texts))
        after = self.fast.cache_counts
        return (after["without_rdkit"] - before["without_rdkit"]) / len(texts)


def assert_same(one: Converted, other: Converted) -> None:
    np.testing.assert_array_equal(one.kept, other.kept)
    assert [vars(r) for r in one.rejects] == [vars(r) for r in other.rejects]
    assert [vars(n) for n in one.notes] == [vars(n) for n in other.notes]
    (columns, tables), (expected, expected_tables) = (
        compact(done.columns, done.tables) for done in (one, other)
    )
    assert tables.same_as(expected_tables)
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(columns, name), values, err_msg=name)


def in_random_orders(texts: list[str], count: int, seed: int) -> list[str]:
    """Return each molecule in several random atom orders."""
    mols = [mol for mol in map(Chem.MolFromSmiles, texts) if mol is not None]
    return [text for mol in mols for text in random_orders(mol, count, seed)]


@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
def test_graphs_rejects_and_notes_are_those_of_rdkit(cut: str) -> None:
    both, odd = Both(cut), odd_molecules(300, 21)
    texts = [*sample_smiles()[:300], *odd, *REJECTS, *mutated(odd, 2), "F/C(\\Cl)=C/C/C=C"]
    both.compare(texts)
    random.Random(0).shuffle(texts)
    assert both.compare(texts) > 0.6


def test_peptides_in_random_orders() -> None:
    both, texts = Both(), sample_smiles()[:3]
    both.compare(in_random_orders(texts, 300, 1))
    assert both.compare(in_random_orders(texts, 300, 2)) > 0.4


def test_a_sample_of_a_corpus_is_read_almost_without_rdkit() -> None:
    assert Both().compare(sample_smiles()) > 0.7


def test_a_limit_of_atoms_holds_without_rdkit() -> None:
    texts = ["NCC(=O)NCC(=O)NCC(=O)O"] * 3
    featurizer = Featurizer(FeaturizeOptions(max_atoms=12, rdkit_only=False))
    slow = Featurizer(FeaturizeOptions(max_atoms=12, rdkit_only=True))
    assert [r.reason for r in featurizer.convert(texts).rejects] == [
        "13 atoms are more than the 12 allowed"
    ] * 3
    assert_same(featurizer.convert(texts), slow.convert(texts))


def test_caches_that_are_emptied_change_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepland_data.chem.smiles.known_pieces.MAX_KEY_BYTES", 3000)
    monkeypatch.setattr("pepland_data.chem.fast.piece_cache.MAX_KEY_BYTES", 2000)
    monkeypatch.setattr("pepland_data.chem.featurizer.BATCH", 50)
    assert 0 < Both().compare(sample_smiles()[:600]) < 0.95


def test_a_known_piece_whose_fragment_cannot_be_cut_is_a_reject(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    featurizer = Featurizer(FeaturizeOptions(check_share=0))
    text = "NCC(=O)N[C@@H](C)C(=O)O"
    featurizer.convert([text])
    featurizer._path.cache.clear()

    def fail(*_: object) -> None:
        raise ValueError("no fragments today")

    monkeypatch.setattr("pepland_data.chem.fast.fast_path.solve_pieces", fail)
    done = featurizer.convert([text, "O", text])
    assert [r.position for r in done.rejects] == [0, 1, 2]
    assert done.rejects[0].reason == "a fragment does not sanitise: no fragments today"


def plant_record(featurizer: Featurizer) -> None:
    """Exchange two records among the answers about pieces."""
    values = featurizer._known.atom_records.values
    place = int(np.flatnonzero(values != values[0])[0])
    values[0], values[place] = values[place], values[0]


def plant_fragment(featurizer: Featurizer) -> None:
    """Exchange the codes of two fragments in the cache of pieces."""
    codes = featurizer._path.cache.fragment_code.values
    place = int(np.flatnonzero(codes != codes[0])[0])
    codes[0], codes[place] = codes[place], codes[0]


@pytest.mark.parametrize("plant", [plant_record, plant_fragment])
def test_a_wrong_answer_in_a_cache_is_found(plant) -> None:
    texts = sample_smiles()[:300]
    featurizer = Featurizer(FeaturizeOptions(check_share=1))
    featurizer.convert(texts)
    plant(featurizer)
    with pytest.raises(DifferentGraphError, match="--rdkit-only") as found:
        featurizer.convert(texts)
    assert texts[found.value.position] == found.value.text


def test_the_share_of_checked_texts_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    name = "pepland_data.chem.smiles.check.GraphCheck.differs"
    monkeypatch.setattr(name, lambda self, text, *_: checked.append(text))
    texts = list(dict.fromkeys(sample_smiles()))
    for share, least, most in ((0.0, 0, 0), (0.1, 0.05, 0.15), (1.0, 1, 1)):
        featurizer = Featurizer(FeaturizeOptions(check_share=share))
        featurizer.convert(texts)
        checked.clear()
        featurizer.convert(texts)
        assert least * 0.7 * len(texts) <= len(checked) <= most * len(texts)
        again = list(checked)
        featurizer.convert(texts[::-1])
        assert sorted(checked[len(again) :]) == sorted(again)


def test_a_build_stops_at_a_wrong_graph_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RDKit reads the first two rows; the check of the fourth fails."""
    source, store = tmp_path / "in.smi", tmp_path / "store"
    source.write_text("\n".join(["NCC(=O)NCC(=O)O", "NCC(=O)NCC(=O)NCC(=O)O"] * 20), "utf-8")
    (tmp_path / "sitecustomize.py").write_text(
        "import pepland_data.chem.smiles.check as c\n"
        "c.GraphCheck.differs = lambda self, text, *_: len(text) > 20\n",
        "utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    arguments = ["build", str(source), "--out", str(store), "--check-share", "1"]
    failed = cli_process(*arguments)
    assert failed.returncode == 1
    assert b"--rdkit-only" in failed.stderr
    (record,) = store.rglob("difference.json")
    noted = json.loads(record.read_text("utf-8"))
    assert (noted["row_id"], noted["text"]) == (3, "NCC(=O)NCC(=O)NCC(=O)O")
    assert "rdkit" in noted["versions"]
    done = cli_process(*arguments, "--rdkit-only", "--verbose")
    assert done.returncode == 0, done.stderr
    assert b"40 graphs" in done.stdout


def corpus(shared: Path, name: str) -> Iterator[str]:
    path = shared / "data" / name
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if "smiles" in row:
                yield row["smiles"]
            else:
                mol = Chem.MolFromSequence(row["sequence"])
                yield Chem.MolToSmiles(mol)
                yield Chem.MolToSmiles(mol, canonical=False)


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
@pytest.mark.parametrize(
    "name",
    ["canonical.csv", "binding.csv", "noncanonical.csv", "corpus/cycpeptmpdb.csv.gz",
     "benchmark/c-antiviral.csv", "benchmark/nc-cpp.csv", "benchmark/permeability.csv"],
)  # fmt: skip
def test_every_row_of_the_corpora(shared_dir: Path, name: str, cut: str) -> None:
    both, texts = Both(cut), list(corpus(shared_dir, name))
    both.compare(texts)
    assert both.compare(texts) > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_sequences_as_smiles_in_canonical_input_and_random_order(
    shared_dir: Path, part: int
) -> None:
    both = Both()
    texts = [t for i, t in enumerate(corpus(shared_dir, "corpus/canonical.csv.gz")) if i % 300 < 2]
    texts = texts[part * len(texts) // 10 : (part + 1) * len(texts) // 10]
    both.compare([*texts, *in_random_orders(texts[::2], 5, part)])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(300, 320))
def test_thousands_of_odd_molecules_twice(seed: int) -> None:
    both, texts = Both(), odd_molecules(1000, seed)
    both.compare(texts)
    both.compare([*in_random_orders(texts[:200], 2, seed), *texts])
