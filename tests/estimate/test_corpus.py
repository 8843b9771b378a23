"""Sizes of batches of stores: searched as a card does it, or grown from those of two batches."""

from __future__ import annotations

import pytest
import torch

from pepland_data import GraphLoader, build
from pepland_data.batch.byte_layout import Shape, spans
from pepland_data.errors import InputError
from pepland_model.estimate import corpus as corpora
from pepland_model.estimate.corpus import Corpus, exponent, grown
from pepland_model.measure.dry_steps import MASKS, network_for
from pepland_model.network.cuda_graph import GraphedVectors
from pepland_model.network.pooling import Pooling
from pepland_model.network.states.rooms import SPARE
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.step import PretrainUpdater
from pepland_model.train.step_program import StepProgram
from tests.helpers.golden_store import write_golden_store

MODEL = ModelConfig(hidden=16)
BATCHES = (1, 2, 3, 5, 8, 16, 32, 64, 100, 1000, 32_768)


@pytest.fixture(scope="module")
def corpus(small_store):
    return Corpus([str(small_store.path)], MODEL)


def stored(path, graphs: slice) -> str:
    return str(write_golden_store(path, graphs, 10).path)


def test_sizes_of_a_batch_are_those_that_the_programs_of_a_card_choose(corpus) -> None:
    batch = next(iter(GraphLoader(corpus.stores, 8)))
    network = network_for(batch.tables, ModelConfig(hidden=16, dedup="always"))
    alone = ProcessGroup(0, 1, torch.device("cpu"))
    step = StepProgram(PretrainUpdater(network, OptimConfig(), alone, 2), MASKS, 0, "off")
    step.submit(0, 0, batch)
    step.flush()
    vectors = GraphedVectors(network.encoder.eval(), Pooling(), "off").program
    vectors.prepare(batch)
    found = corpus.sizes(8)
    assert (found.training, found.inference) == (step.program.sizes(), vectors.sizes())
    assert not step.program.overflows
    assert found.bytes == spans(Shape(8, found.training["rows"]))[1]


def test_larger_batches_grow_no_faster_than_linearly_and_never_shrink(corpus) -> None:
    """Of distinct masked states there may be fewer than there is room for, so rooms differ."""
    most = corpus.graphs
    large = corpus.sizes(most)
    for kind in ("training", "inference"):
        before = getattr(large, kind)
        for size in (most + 1, 2 * most, 3 * most, 100 * most):
            found, times = getattr(corpus.sizes(size), kind), size / most
            assert found["graphs"] == size
            for part in ("rows", "rooms"):
                for name, rows in found[part].items():
                    of_most = getattr(large, kind)[part][name]
                    assert before[part][name] <= rows <= of_most * times + 64
                    assert rows % 64 == 0
            before = found
    assert not corpus.is_searched(most + 1)
    assert corpus.is_searched(most)


def sizes(graphs: int, rooms: float) -> dict:
    return {"graphs": graphs, "rows": {"atom": 64 * graphs}, "rooms": {"nodes": rooms}, "salt": 0}


@pytest.mark.parametrize("power", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_a_power_law_is_continued_exactly(power) -> None:
    def law(graphs: int) -> float:
        return SPARE + 640 * graphs**power

    few, many = sizes(512, law(512)), sizes(1024, law(1024))
    for graphs in (2048, 5000, 32_768):
        found = grown(few, many, graphs)
        assert found["rows"] == {"atom": 64 * graphs}
        assert -1e-6 < found["rooms"]["nodes"] - law(graphs) < 64 + 1e-6


def test_the_power_lies_between_0_and_1() -> None:
    assert exponent(1000, 900, 0.7) == 0
    assert exponent(100, 9000, 0.7) == 1
    assert exponent(SPARE, SPARE, 0.7) == 0


def test_the_largest_batch_that_is_searched_has_a_limit(small_store, monkeypatch) -> None:
    monkeypatch.setattr(corpora, "LARGEST", 8)
    one = Corpus([str(small_store.path)], MODEL)
    assert [one.is_searched(size) for size in (8, 9)] == [True, False]
    assert one.sizes(16) == one._larger(16)
    assert set(one._found) == {4, 8, 16}


FIGURES = (
    lambda corpus: corpus.mean("atom"),
    lambda corpus: corpus.mean("reaction"),
    lambda corpus: corpus.stored_bytes_per_graph,
    lambda corpus: corpus.coded_bytes_per_graph,
)


def test_two_stores_are_one_corpus(small_store, other_store) -> None:
    paths = [str(small_store.path), str(other_store.path)]
    both, ones = Corpus(paths, MODEL), [Corpus([path], MODEL) for path in paths]
    assert both.graphs == sum(one.graphs for one in ones) == len(small_store) + len(other_store)
    assert both.name == "store + store"
    for figure in FIGURES:
        least, most = sorted(map(figure, ones))
        assert least <= figure(both) <= most
    size = both.graphs
    assert both.is_searched(size)
    assert both.sizes(size).training["graphs"] == size
    of_one = ones[0].sizes(len(small_store)).training["rows"]
    assert both.sizes(size).training["rows"]["atom"] > of_one["atom"]


def test_means_and_bytes_are_those_of_the_graphs(corpus) -> None:
    batch = corpus.batch(corpus.graphs)
    assert corpus.mean("atom") == len(batch.atom_code) / corpus.graphs
    assert corpus.mean("fragment") == len(batch.fragment_code) / corpus.graphs
    files = [f for f in corpus.stores[0].path.rglob("*") if f.is_file()]
    assert corpus.stored_bytes_per_graph == sum(f.stat().st_size for f in files) / corpus.graphs
    assert 0 < corpus.coded_bytes_per_graph < corpus.stored_bytes_per_graph


def test_a_batch_is_the_same_every_time(corpus) -> None:
    first, again = corpus.batch(5), Corpus([str(corpus.stores[0].path)], MODEL).batch(5)
    assert first.graph_index.tolist() == again.graph_index.tolist()
    assert len(set(first.graph_index.tolist())) == 5


def test_a_store_without_graphs_is_refused_with_its_name(tmp_path) -> None:
    pytest.importorskip("rdkit")
    (tmp_path / "in.csv").write_text("smiles\nno peptide\n", encoding="utf-8")
    build(tmp_path / "in.csv", tmp_path / "empty")
    with pytest.raises(InputError, match="empty holds no graphs"):
        Corpus([str(tmp_path / "empty")], MODEL)


@pytest.mark.parametrize("graphs", [1, 2, 3])
def test_a_store_of_a_few_graphs_has_batches_of_every_size(tmp_path, graphs) -> None:
    tiny = Corpus([stored(tmp_path / "tiny", slice(graphs))], MODEL)
    for size in BATCHES:
        found = tiny.sizes(size)
        for one in (found.training, found.inference):
            assert one["graphs"] == size
            assert min(one["rows"].values()) >= size
    assert tiny.batch(64).num_graphs == graphs
