"""Vectors of peptides: pooling, other texts, cache, failures, levels."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.errors import InputError, InvalidMoleculeError
from pepland_model import Embedder, PharmHGT, PharmHGTConfig
from pepland_model.network.pooling import pool
from pepland_model.run.checkpoint import CheckpointError, write_checkpoint
from pepland_model.run.load_encoder import load_encoder

pytest.importorskip("rdkit")
from tests.helpers.pretrain_data import golden_graphs

SMILES = [graph.smiles for graph in golden_graphs()]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """An untrained encoder with output ``fused``, which uses all states."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("model")
    PharmHGT(PharmHGTConfig(hidden=32, depth=4, heads=4, output="fused")).save(folder)
    return folder


@pytest.fixture(scope="module")
def embedder(model_folder):
    return Embedder(model_folder, device="cpu")


@pytest.fixture(scope="module")
def states(model_folder):
    """Atom and fragment vectors of each text, computed one graph at a time."""
    model = load_encoder(model_folder, dedup=False)
    outs = [model(HeteroBatch.from_graphs([graph])) for graph in golden_graphs()]
    return [
        {"atom": out.atom_embedding.numpy(), "fragment": out.fragment_embedding.numpy()}
        for out in outs
    ]


def pooled(states, view: str = "both", how: str = "mean") -> np.ndarray:
    """The vectors by their definition."""
    views = ["atom", "fragment"] if view == "both" else [view]
    return np.stack(
        [np.mean([getattr(np, how)(of[name], axis=0) for name in views], axis=0) for of in states]
    )


@pytest.mark.parametrize("view", ["both", "atom", "fragment"])
@pytest.mark.parametrize("how", ["mean", "max"])
def test_a_vector_is_the_mean_or_maximum_over_the_nodes_of_its_views(
    embedder, states, view, how
) -> None:
    vectors = embedder.embed(SMILES, view=view, pooling=how).vectors
    np.testing.assert_allclose(vectors, pooled(states, view, how), rtol=0, atol=2e-6)
    assert np.ptp(vectors, axis=0).max() > 0.01


@pytest.mark.parametrize("level", ["peptide", "atom", "fragment"])
def test_exact_vectors_are_bit_identical_with_any_other_texts(model_folder, level) -> None:
    exact = Embedder(model_folder, device="cpu", exact=True, cache_bytes=0)
    texts = SMILES[::3]
    together, backwards = (exact.embed(t, level=level) for t in (texts, texts[::-1]))
    for i, text in enumerate(texts):
        alone = exact.embed([text], level=level)
        assert alone[0].tobytes() == together[i].tobytes() == backwards[-1 - i].tobytes()


def test_atoms_and_fragments_come_in_the_order_of_the_graph(embedder) -> None:
    atoms = embedder.embed(SMILES, level="atom")
    fragments = embedder.embed(SMILES, level="fragment")
    graphs = golden_graphs()
    assert np.diff(atoms.ptr).tolist() == [g.num_atoms for g in graphs]
    assert np.diff(fragments.ptr).tolist() == [g.num_fragments for g in graphs]
    means = (atoms[4].mean(0) + fragments[4].mean(0)) / 2
    np.testing.assert_allclose(means, embedder.embed(SMILES).vectors[4], atol=1e-6)


def test_a_text_without_a_vector_does_not_affect_the_others(embedder) -> None:
    texts = [SMILES[0], "no molecule", "", SMILES[1]]
    embeddings = embedder.embed(texts)
    assert embeddings.valid.tolist() == [True, False, False, True]
    assert "parse" in embeddings.reasons[1]
    assert np.isnan(embeddings.vectors[1:3]).all()
    np.testing.assert_array_equal(embeddings.vectors[[0, 3]], embedder.embed(SMILES[:2]).vectors)
    nodes = embedder.embed(texts, level="atom")
    assert len(nodes[1]) == len(nodes[2]) == 0
    assert np.isfinite(nodes.vectors).all()


def test_a_sequence_and_its_smiles_have_one_vector(embedder) -> None:
    # Without stereo centres: RDKit's chiral tags, an atom feature, depend on how a text is written.
    both = embedder.embed(["GGGGG", "NCC(=O)NCC(=O)NCC(=O)NCC(=O)NCC(=O)O"]).vectors
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)


def test_a_repeated_text_comes_from_the_cache(model_folder) -> None:
    new = Embedder(model_folder, device="cpu")
    first = new.embed(SMILES[:5] + SMILES[:2] + ["bad"])
    misses = new.cache.misses
    again = new.embed(SMILES[:5] + SMILES[:2] + ["bad"])
    assert new.cache.misses == misses
    assert new.cache.hits == 6
    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert again.reasons == first.reasons


def test_the_cache_keeps_its_limit_and_removes_the_oldest_first(model_folder) -> None:
    small = Embedder(model_folder, device="cpu", cache_bytes=4000)
    small.embed(SMILES)
    assert 0 < small.cache.nbytes <= 4000
    assert 0 < len(small.cache) < len(SMILES)
    hits = small.cache.hits
    small.embed([SMILES[-1]])
    small.embed([SMILES[0]])
    assert small.cache.hits == hits + 1


def test_without_a_cache_vectors_are_the_same(model_folder, embedder) -> None:
    without = Embedder(model_folder, device="cpu", cache_bytes=0)
    again = [without.embed(SMILES).vectors for _ in range(2)]
    assert len(without.cache) == 0
    np.testing.assert_allclose(again[1], embedder.embed(SMILES).vectors, atol=1e-6)


def test_states_of_earlier_texts_are_used_again(model_folder, states) -> None:
    warm = Embedder(model_folder, device="cpu", cache_bytes=0)
    vectors = [warm.embed([text]).vectors[0] for text in SMILES]
    np.testing.assert_allclose(vectors, pooled(states), atol=2e-6)
    views = warm.encoder.model.cache._views
    rows = {name: kept.rows for name, (kept, _) in views.items()}
    assert rows["atom"] > 0
    warm.embed(SMILES)
    assert {name: kept.rows for name, (kept, _) in views.items()} == rows


def test_the_cache_does_not_mix_levels_views_or_poolings(embedder) -> None:
    vectors = [
        embedder.embed(SMILES[:1], view=view, pooling=how).vectors.tobytes()
        for view in ("both", "atom", "fragment")
        for how in ("mean", "max")
    ]
    assert len(set(vectors)) == 6


def test_vector_returns_one_vector_or_raises(embedder) -> None:
    assert embedder.vector(SMILES[0]).shape == (32,)
    with pytest.raises(InvalidMoleculeError, match="parse"):
        embedder.vector("no molecule")


def test_options_decide_what_a_text_is(model_folder) -> None:
    strict = Embedder(model_folder, device="cpu", options=FeaturizeOptions(max_atoms=5))
    assert "limits" in strict.embed([SMILES[0]]).reasons[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"level": "residue"}, "level"), ({"view": "all"}, "view"), ({"pooling": "sum"}, "how")],
)
def test_unknown_choices_are_named(embedder, arguments, words) -> None:
    with pytest.raises(InputError, match=words):
        embedder.embed(["C"], **arguments)


def test_a_single_text_is_not_a_sequence_of_texts(embedder) -> None:
    with pytest.raises(InputError, match="list"):
        embedder.embed("ACDEF")
    with pytest.raises(InputError, match="list"):
        embedder.embed([None])


def test_no_texts_give_no_vectors(embedder) -> None:
    assert embedder.embed([]).vectors.shape == (0, 32)
    assert embedder.embed([], level="atom").vectors.shape == (0, 32)


def test_a_missing_or_damaged_model_is_refused(model_folder, tmp_path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        Embedder(tmp_path)
    shutil.copytree(model_folder, tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"model\.safetensors is damaged"):
        Embedder(tmp_path / "m")


@pytest.mark.parametrize("how", ["mean", "max"])
def test_pooling_is_segment_by_segment_and_zero_for_an_empty_one(how) -> None:
    rows = torch.randn(9, 4)
    ptr = torch.tensor([0, 3, 3, 9])
    actual = pool(rows, ptr, how)
    plain = {"mean": torch.mean, "max": torch.amax}[how]
    torch.testing.assert_close(actual[0], plain(rows[:3], 0))
    torch.testing.assert_close(actual[1], torch.zeros(4))
    torch.testing.assert_close(actual[2], plain(rows[3:], 0))


@pytest.mark.parametrize("how", ["mean", "max"])
def test_pooling_has_the_right_gradient(how) -> None:
    rows = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    ptr = torch.tensor([0, 2, 2, 7])
    assert torch.autograd.gradcheck(lambda x: pool(x, ptr, how), (rows,))


@pytest.mark.cuda
def test_the_gpu_gives_the_vectors_of_the_cpu(model_folder, embedder) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    on_gpu = Embedder(model_folder, device="cuda")
    np.testing.assert_allclose(
        on_gpu.embed(SMILES).vectors, embedder.embed(SMILES).vectors, atol=1e-4
    )


def test_a_checkpoint_whose_weights_changed_is_refused(model_folder, tmp_path) -> None:
    folder = write_checkpoint(
        tmp_path / "checkpoints" / "step-000000001", {"step": 1}, {},
        lambda into: load_encoder(model_folder).save(into),
    )  # fmt: skip
    assert Embedder(tmp_path).width == 32
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(CheckpointError, match="checksum"):
        Embedder(tmp_path)
