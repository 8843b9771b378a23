"""Vectors of peptides: pooling, company, cache, failures, levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.errors import InputError, InvalidMoleculeError
from pepland_model import Embedder, PharmHGT, PharmHGTConfig
from pepland_model.network.pooling import pool
from pepland_model.run.checkpoint import CheckpointError

pytest.importorskip("rdkit")
from tests.helpers.pretrain_data import golden_graphs

SMILES = [graph.smiles for graph in golden_graphs()]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """An encoder whose every output matters, untrained."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("model")
    PharmHGT(PharmHGTConfig(hidden=32, depth=4, heads=4, output="fused")).save(folder)
    return folder


@pytest.fixture(scope="module")
def embedder(model_folder):
    return Embedder(model_folder, device="cpu")


def expected(model_folder, text: str, view: str, how: str) -> np.ndarray:
    """The vector by its definition: one graph, plain loops over its nodes."""
    import pepland_data
    from pepland_model.run.load_encoder import load_encoder

    batch = pepland_data.HeteroBatch.from_graphs([pepland_data.featurize(text)])
    out = load_encoder(model_folder, dedup=False)(batch)
    views = {"atom": out.atom_embedding.numpy(), "fragment": out.fragment_embedding.numpy()}
    chosen = ["atom", "fragment"] if view == "both" else [view]
    pooled = [getattr(np, how)(views[name], axis=0) for name in chosen]
    return np.mean(pooled, axis=0)


@pytest.mark.parametrize("view", ["both", "atom", "fragment"])
@pytest.mark.parametrize("how", ["mean", "max"])
def test_a_vector_is_the_mean_or_maximum_over_the_nodes_of_its_views(
    embedder, model_folder, view, how
) -> None:
    found = embedder.embed(SMILES, view=view, pooling=how).vectors
    want = np.stack([expected(model_folder, text, view, how) for text in SMILES])
    np.testing.assert_allclose(found, want, rtol=0, atol=2e-6)
    assert np.ptp(found, axis=0).max() > 0.01


def test_company_changes_a_vector_by_rounding_only(model_folder) -> None:
    together = Embedder(model_folder, device="cpu").embed(SMILES).vectors
    for i in (0, 7, len(SMILES) - 1):
        alone = Embedder(model_folder, device="cpu").embed([SMILES[i]]).vectors[0]
        np.testing.assert_allclose(alone, together[i], rtol=0, atol=1e-6)


@pytest.mark.parametrize("level", ["peptide", "atom", "fragment"])
def test_exact_vectors_have_the_same_bits_in_any_company(model_folder, level) -> None:
    together = Embedder(model_folder, device="cpu", exact=True).embed(SMILES, level=level)
    backwards = Embedder(model_folder, device="cpu", exact=True).embed(SMILES[::-1], level=level)
    for i, text in enumerate(SMILES):
        alone = Embedder(model_folder, device="cpu", exact=True).embed([text], level=level)
        assert alone[0].tobytes() == together[i].tobytes() == backwards[-1 - i].tobytes()


def test_atoms_and_fragments_come_in_the_order_of_the_graph(embedder) -> None:
    atoms = embedder.embed(SMILES, level="atom")
    fragments = embedder.embed(SMILES, level="fragment")
    graphs = golden_graphs()
    assert np.diff(atoms.ptr).tolist() == [g.num_atoms for g in graphs]
    assert np.diff(fragments.ptr).tolist() == [g.num_fragments for g in graphs]
    means = (atoms[4].mean(0) + fragments[4].mean(0)) / 2
    np.testing.assert_allclose(means, embedder.embed(SMILES).vectors[4], atol=1e-6)


def test_a_text_that_has_no_vector_costs_its_own_row_only(embedder) -> None:
    texts = [SMILES[0], "no molecule", "", SMILES[1]]
    found = embedder.embed(texts)
    assert found.valid.tolist() == [True, False, False, True]
    assert "parse" in found.reasons[1]
    assert np.isnan(found.vectors[1:3]).all()
    np.testing.assert_array_equal(found.vectors[[0, 3]], embedder.embed(SMILES[:2]).vectors)
    nodes = embedder.embed(texts, level="atom")
    assert len(nodes[1]) == len(nodes[2]) == 0
    assert np.isfinite(nodes.vectors).all()


def test_a_sequence_and_its_smiles_have_one_vector(embedder) -> None:
    # Without stereo centres: RDKit's chiral tags, an atom feature, depend on how a text is written.
    both = embedder.embed(["GGGGG", "NCC(=O)NCC(=O)NCC(=O)NCC(=O)NCC(=O)O"]).vectors
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)


def test_a_text_asked_for_again_comes_from_the_cache(model_folder) -> None:
    fresh = Embedder(model_folder, device="cpu")
    first = fresh.embed(SMILES[:5] + SMILES[:2] + ["bad"])
    misses = fresh.cache.misses
    again = fresh.embed(SMILES[:5] + SMILES[:2] + ["bad"])
    assert fresh.cache.misses == misses
    assert fresh.cache.hits == 6
    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert again.reasons == first.reasons


def test_the_cache_keeps_its_bound_and_forgets_the_oldest_first(model_folder) -> None:
    small = Embedder(model_folder, device="cpu", cache_bytes=4000)
    small.embed(SMILES)
    assert 0 < small.cache.nbytes <= 4000
    assert 0 < len(small.cache) < len(SMILES)
    hits = small.cache.hits
    small.embed([SMILES[-1]])
    small.embed([SMILES[0]])
    assert small.cache.hits == hits + 1


def test_no_cache_gives_the_same_vectors(model_folder, embedder) -> None:
    without = Embedder(model_folder, device="cpu", cache_bytes=0)
    again = [without.embed(SMILES).vectors for _ in range(2)]
    assert len(without.cache) == 0
    np.testing.assert_allclose(again[1], embedder.embed(SMILES).vectors, atol=1e-6)


def test_states_of_earlier_texts_are_used_again_and_right(model_folder) -> None:
    warm = Embedder(model_folder, device="cpu", cache_bytes=0)
    for text in SMILES:
        one = warm.embed([text]).vectors[0]
        np.testing.assert_allclose(one, expected(model_folder, text, "both", "mean"), atol=2e-6)
    views = warm.encoder.model.cache._views
    rows = {name: entry[0].rows for name, entry in views.items()}
    assert rows["atom"] > 0
    warm.embed(SMILES)
    assert {name: entry[0].rows for name, entry in views.items()} == rows


def test_the_cache_does_not_mix_levels_views_or_poolings(embedder) -> None:
    found = [
        embedder.embed(SMILES[:1], view=view, pooling=how).vectors.tobytes()
        for view in ("both", "atom", "fragment")
        for how in ("mean", "max")
    ]
    assert len(set(found)) == 6


def test_one_vector_or_an_error(embedder) -> None:
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
    import shutil

    shutil.copytree(model_folder, tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"model\.safetensors is damaged"):
        Embedder(tmp_path / "m")


def test_weights_that_do_not_fit_their_configuration_are_refused(model_folder, tmp_path) -> None:
    import shutil

    shutil.copytree(model_folder, tmp_path / "m")
    config = tmp_path / "m" / "config.json"
    config.write_text(config.read_text().replace('"hidden": 32', '"hidden": 64'))
    with pytest.raises(InputError, match="other sizes"):
        Embedder(tmp_path / "m")


@pytest.mark.parametrize("how", ["mean", "max"])
def test_pooling_is_segment_by_segment_and_zero_for_an_empty_one(how) -> None:
    rows = torch.randn(9, 4)
    ptr = torch.tensor([0, 3, 3, 9])
    found = pool(rows, ptr, how)
    plain = {"mean": torch.mean, "max": torch.amax}[how]
    torch.testing.assert_close(found[0], plain(rows[:3], 0))
    torch.testing.assert_close(found[1], torch.zeros(4))
    torch.testing.assert_close(found[2], plain(rows[3:], 0))


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
    from pepland_model.run.checkpoint import write_checkpoint
    from pepland_model.run.load_encoder import load_encoder

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
