"""Rates of conversion and what follows from them."""

from __future__ import annotations

import itertools
import json
import sys

import numpy as np
import pytest

from pepland_data.errors import InputError, MissingDependencyError
from pepland_model.estimate.here import conversion
from pepland_model.estimate.here.conversion import (
    BUILD_EFFICIENCY,
    conversion_hours,
    conversion_rate,
    live_share,
    synthetic_smiles,
)
from tests.helpers.paths import ROOT


def test_a_build_takes_the_time_of_its_share_of_the_rate_on_all_cores() -> None:
    assert conversion_hours(7_200_000, 100, 10, efficiency=0.5) == 4
    assert conversion_hours(7_200_000, 100, 10) == pytest.approx(2 / BUILD_EFFICIENCY)


def test_the_efficiency_is_that_of_the_recorded_runs() -> None:
    def results(name: str):
        path = ROOT / "benchmarks" / "results" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))["results"]

    (build,) = (run for run in results("scale")["runs"] if run["form"] == "smiles")
    assert build["workers"] == 2
    alone = results("featurize")["many"]["heterograph"]["median"]
    assert pytest.approx(build["rows_per_s"] / (2 * alone), rel=1e-3) == BUILD_EFFICIENCY


def test_the_share_of_a_step_is_the_time_of_a_batch_on_all_workers() -> None:
    assert live_share(step_s=0.5, batch=512, graphs_per_s=1024, workers=1) == 1
    assert live_share(step_s=0.5, batch=512, graphs_per_s=1024, workers=4) == 0.25
    assert live_share(step_s=0.1, batch=512, graphs_per_s=1024, workers=1) == pytest.approx(5)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="give two or more"):
        conversion_rate(["NCC(=O)O"], 1.0)


class Recorder:
    """Remembers the texts of each call of a real featurizer."""

    def __init__(self) -> None:
        self.made, self.calls = conversion.featurizer(), []

    @property
    def cache_counts(self):
        return self.made.cache_counts

    def convert(self, texts):
        self.calls.append(list(texts))
        return self.made.convert(texts)


@pytest.fixture
def recorder(monkeypatch):
    pytest.importorskip("rdkit")
    made = Recorder()
    monkeypatch.setattr(conversion, "featurizer", lambda: made)
    monkeypatch.setattr(conversion, "CHUNK", 10)
    return made


def ticks():
    """Return a clock that goes on by two seconds each time it is read."""
    return itertools.count(0, 2).__next__


def test_only_texts_after_the_first_half_count_and_none_is_repeated(recorder) -> None:
    texts = synthetic_smiles(40)
    found = conversion_rate(texts, 60, ticks())
    assert recorder.calls == [texts[i : i + 10] for i in range(0, 40, 10)]
    assert found["counted"] == 20
    assert found["smiles_per_s"] == 20 / 4
    again = conversion.featurizer().made.convert(texts[20:])
    assert found["atoms_per_graph"] == np.diff(again.columns.atom_ptr).mean()


def test_the_count_ends_with_the_chunk_in_which_the_time_does(recorder) -> None:
    found = conversion_rate(synthetic_smiles(100), 3, ticks())
    assert (found["counted"], found["smiles_per_s"]) == (20, 20 / 4)


def test_the_warm_up_is_limited(recorder, monkeypatch) -> None:
    monkeypatch.setattr(conversion, "WARM_UP", 10)
    texts = synthetic_smiles(40)
    conversion_rate(texts, 0, ticks())
    assert recorder.calls == [texts[:10], texts[10:20]]


def test_new_peptides_of_new_pieces_are_those_that_rdkit_reads(recorder) -> None:
    plain, unusual = "N[C@@H](C)C(=O)NCC(=O)O", "N[C@@H](CCCC[Se]C)C(=O)NCC(=O)O"
    assert conversion_rate([plain, plain, plain, plain], 9, ticks())["rdkit_share"] == 0
    assert conversion_rate([plain, plain, plain, unusual], 9, ticks())["rdkit_share"] == 0.5


def test_texts_without_a_graph_have_no_rate(recorder) -> None:
    with pytest.raises(InputError, match="none of the texts has a graph"):
        conversion_rate(["peptide", "protein"], 1, ticks())


def test_without_rdkit_the_remedy_is_named(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "pepland_data.chem.featurizer", raising=False)
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pepland-data\[build\]'"):
        conversion.featurizer()
