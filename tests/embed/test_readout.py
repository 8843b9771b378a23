"""Readouts ``rounds`` and ``full``: against the plain network, names, cache, files, bad input."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from pepland_cli.embed import main
from pepland_data import featurize
from pepland_data.errors import InputError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model import Embedder, PharmHGT, PharmHGTConfig
from pepland_model.embed.embed import EmbedInput, embed
from pepland_model.embed.encoder import Encoder
from pepland_model.network.plain_pharmhgt import PlainPharmHGT
from pepland_model.network.pooling import Pooling
from pepland_model.network.readout import fragment_counts, rounds_names, rounds_vectors
from pepland_model.network.states.rooms import exactly
from tests.helpers.model_batches import MOLECULES, batch_of, small_model

VIEWS = {"atom": ("aba", "a"), "fragment": ("prp", "p")}


def plain_rounds(plain: PlainPharmHGT, batch, name: str) -> tuple[list[torch.Tensor], object]:
    """Inputs of all nodes and their states after each round, as the plain network hands them on,
    and its output."""
    attention, last = VIEWS[name]
    seen: list[torch.Tensor] = []
    hooks = [
        plain.mp.attn[attention].register_forward_pre_hook(lambda m, x: seen.append(x[0])),
        plain.mp.node_last_layer[last].register_forward_pre_hook(
            lambda m, x: seen.append(x[0].tensor_split(3, 1)[1])
        ),
    ]
    out = plain(batch)
    for hook in hooks:
        hook.remove()
    return seen, out


def expected(batch, output: str) -> np.ndarray:
    """The vectors by their definition, graph by graph."""
    plain = small_model(output, PlainPharmHGT).eval()
    parts = []
    for name in VIEWS:
        after, out = plain_rounds(plain, batch, name)
        ptr = getattr(batch, f"{name}_ptr")
        for states in (*after, getattr(out, f"{name}_embedding")):
            for how in ("mean", "sum"):
                graphs = [getattr(states[a:b], how)(0) for a, b in pairwise(ptr)]
                parts.append(torch.stack(graphs))
    sizes = [getattr(batch, f"{name}_ptr").diff() for name in VIEWS]
    return torch.cat([*parts, torch.stack(sizes, 1).float().log1p()], 1).numpy()


@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
@pytest.mark.parametrize("way", ["kept", "distinct", "auto", "every row", "searched"])
@torch.no_grad()
def test_the_rounds_are_those_of_the_plain_network(output, way) -> None:
    dedup = {"distinct": True, "every row": False}.get(way, "auto")
    net = small_model(output, dedup=dedup, keep_states=way == "kept").eval()
    for rows in ([10, 11, 12], [13, 0, 3, 11], list(range(MOLECULES))):
        batch, plan = batch_of(rows), None
        if way == "searched":  # as on a GPU
            plan = exactly(lambda rooms, batch=batch: net._searched(batch, True, True, rooms))
        found = rounds_vectors(batch, net(batch, plan=plan, rounds=True), "both").numpy()
        wanted = expected(batch, output)
        assert found.shape == wanted.shape
        scale = max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * scale)
        assert np.ptp(found, axis=0).max() > 0.01


@torch.no_grad()
def test_states_kept_by_the_readout_mean_serve_the_readout_rounds() -> None:
    net, fresh = small_model().eval(), small_model(keep_states=False).eval()
    first, second = batch_of([10, 11, 12]), batch_of([12, 13, 14, 10])
    net(first)
    kept = rounds_vectors(second, net(second, rounds=True), "both")
    torch.testing.assert_close(kept, rounds_vectors(second, fresh(second, rounds=True), "both"))


def test_every_number_has_a_name_of_its_own_in_the_order_of_the_vector() -> None:
    names = list(rounds_names("both", 2, 3))
    assert len(set(names)) == len(names) == 2 * 4 * 2 * 3 + 2
    assert names[:2] == ["atom round 0 mean 0", "atom round 0 mean 1"]
    assert names[3] == "atom round 0 sum 0"
    assert names[18] == "atom embedding mean 0"
    assert names[24] == "fragment round 0 mean 0"
    assert names[-2:] == ["log(1 + atoms)", "log(1 + fragments)"]
    one = list(rounds_names("fragment", 2, 3))
    assert one == names[24:]


def test_fragments_are_counted_by_their_label() -> None:
    batch = batch_of([5, 0, 11])
    smiles = batch.tables.host.fragment_smiles
    counts = fragment_counts(batch, torch.arange(len(smiles)), len(smiles))
    for graph in range(3):
        a, b = batch.fragment_ptr[graph : graph + 2].tolist()
        codes = batch.fragment_code[a:b].tolist()
        assert counts[graph].tolist() == [codes.count(code) for code in range(len(smiles))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An untrained encoder with a vocabulary of three fragments."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("model")
    PharmHGT(PharmHGTConfig(hidden=8, depth=3, heads=2)).save(path)
    Vocabulary(("CN", "NC=O", "CCO")).write(path / "vocab.txt")
    return path


@pytest.fixture(scope="module")
def bare(folder, tmp_path_factory):
    """The same without a vocabulary."""
    path = tmp_path_factory.mktemp("bare")
    PharmHGT.load(folder).save(path)
    return path


def test_counts_have_the_names_of_the_vocabulary_and_the_rest_is_one_number(folder) -> None:
    embedder, texts = Embedder(folder, device="cpu"), ["NCC(=O)N[C@@H](C)C(=O)NCC(=O)O", "CCCC"]
    vectors = embedder.embed([*texts, "no molecule"], readout="full").vectors
    width = len(embedder.names("rounds"))
    names = [name.removeprefix("fragment ") for name in embedder.names("full")[width:]]
    assert np.isnan(vectors[2]).all()
    for text, counts in zip(texts, vectors[:2, width:].tolist(), strict=True):
        graph = featurize(text)
        smiles = [graph.tables.fragment_smiles[code] for code in graph.columns.fragment_code]
        wanted = Counter(s if s in names else "other fragments" for s in smiles)
        assert dict(zip(names, counts, strict=True)) == {name: wanted[name] for name in names}
    assert vectors[0, width:].max() >= 1
    rounds = embedder.embed(texts, readout="rounds").vectors
    np.testing.assert_allclose(vectors[:2, :width], rounds, rtol=1e-5, atol=1e-6)


def test_the_cache_does_not_mix_readouts(folder) -> None:
    embedder = Embedder(folder, device="cpu")
    widths = {
        r: embedder.embed(["GAA"], readout=r).vectors.shape[1] for r in ("mean", "rounds", "full")
    }
    again = {r: embedder.embed(["GAA"], readout=r).vectors.shape[1] for r in widths}
    assert widths == again
    assert len(set(widths.values())) == 3
    assert embedder.cache.hits == 3


def test_a_view_keeps_its_own_numbers(folder) -> None:
    embedder = Embedder(folder, device="cpu")
    both = embedder.embed(["GAA", "WK"], readout="rounds").vectors
    for view in VIEWS:
        one = embedder.embed(["GAA", "WK"], view=view, readout="rounds").vectors
        at = [embedder.names("rounds").index(name) for name in embedder.names("rounds", view)]
        np.testing.assert_allclose(one, both[:, at], atol=1e-5)


def call(*arguments: object):
    return CliRunner().invoke(main, [*map(str, arguments), "--device", "cpu"])


@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_files_name_every_number(bare, small_store, tmp_path, exact) -> None:
    for kind in ("parquet", "npz"):
        out = tmp_path / f"e.{kind}"
        result = call(
            "--checkpoint", bare, small_store.path, "-o", out, "--readout", "full", *exact
        )
        assert result.exit_code == 0, result.output
    table, arrays = pq.read_table(tmp_path / "e.parquet"), np.load(tmp_path / "e.npz")
    about = json.loads(table.schema.metadata[b"pepland"])
    names = arrays["dimensions"].tolist()
    assert about["dimensions"] == names
    assert about["pooling"]["readout"] == "full"
    assert arrays["embedding"].shape == (len(small_store), len(names))
    counted = {n.removeprefix("fragment ") for n in names[names.index("log(1 + fragments)") + 1 :]}
    assert counted == {*small_store.tables.fragment_smiles[1:], "other fragments"}
    assert arrays["embedding"][:, -1].max() == 0
    assert table["embedding"].type.list_size == len(names)


def test_a_zarr_group_names_every_number(folder, small_store, tmp_path) -> None:
    zarr = pytest.importorskip("zarr")
    out = tmp_path / "e.zarr"
    embed(folder, EmbedInput(str(small_store.path)), out, Pooling(readout="rounds"), "cpu")
    group = zarr.open_group(out, mode="r")
    names = Embedder(folder, device="cpu").names("rounds")
    assert group.attrs["dimensions"] == list(names)
    assert group["embedding"].shape == (len(small_store), len(names))


def test_a_store_and_its_texts_have_one_vector(folder, small_store, tmp_path) -> None:
    out = tmp_path / "e.npz"
    embed(folder, EmbedInput(str(small_store.path)), out, Pooling(readout="full"), "cpu")
    texts = Embedder(folder, device="cpu").embed(list(small_store.smiles), readout="full").vectors
    np.testing.assert_allclose(np.load(out)["embedding"], texts, rtol=1e-5, atol=1e-4)


def test_counts_of_texts_need_a_vocabulary(bare, tmp_path) -> None:
    out = tmp_path / "e.npz"
    result = call("--checkpoint", bare, "--text", "GGAA", "-o", out, "--readout", "full")
    assert result.exit_code == 1
    assert "vocab.txt" in result.stderr
    assert "rounds" in result.stderr
    assert not out.exists()
    with pytest.raises(InputError, match=r"vocab\.txt"):
        Embedder(bare, device="cpu").embed(["GGAA"], readout="full")
    assert Encoder(bare).vocabulary is None


@pytest.mark.parametrize(
    "options", [{"level": "atom"}, {"pooling": "max"}, {"level": "fragment", "pooling": "max"}]
)
def test_a_readout_of_peptides_has_no_level_and_no_pooling(folder, options) -> None:
    with pytest.raises(InputError, match="leave out level and pooling"):
        Embedder(folder, device="cpu").embed(["GGAA"], readout="rounds", **options)
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    result = call(
        "--checkpoint", folder, "--text", "GGAA", "-o", "e.npz", "--readout", "full", *flags
    )
    assert result.exit_code == 1
    assert "leave out level and pooling" in result.stderr


def test_an_unknown_readout_is_named(folder) -> None:
    with pytest.raises(InputError, match="readout is 'all'"):
        Embedder(folder, device="cpu").embed(["GGAA"], readout="all")
    assert (
        call("--checkpoint", folder, "--text", "G", "-o", "e.npz", "--readout", "all").exit_code
        == 2
    )
