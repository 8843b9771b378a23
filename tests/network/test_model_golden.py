"""PharmHGT against the published outputs, and each molecule alone against its batch."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from pepland_data import HeteroBatch, featurize
from pepland_model import PharmHGT, PharmHGTConfig
from pepland_model.network.published_names import published_shapes
from tests.helpers.paths import GOLDEN, ROOT

FILES = [GOLDEN / "pharmhgt_public.npz", ROOT.parent / "shared/golden/pharmhgt.npz"]


def golden_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The weights of the golden files: random normal numbers, seeded by each name."""
    return {
        name: torch.from_numpy(
            (np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape) * 0.05).astype(
                np.float32
            )
        )
        for name, shape in shapes.items()
    }


def golden_model(output: str) -> PharmHGT:
    model = PharmHGT(PharmHGTConfig(output=output))
    model.load_upstream_state_dict(
        golden_weights(published_shapes(model.state_dict(), model.config.hidden))
    )
    return model.eval()


def test_there_are_102_published_names() -> None:
    assert len(published_shapes(PharmHGT().state_dict(), 300)) == 102


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
@pytest.mark.parametrize("output", ["homo", "checkpoint", "fused"])
def test_all_outputs_equal_the_published_ones(path: Path, output: str) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this checkout")
    golden = np.load(path)
    graphs = [featurize(str(s)) for s in golden["smiles"]]
    with torch.no_grad():
        out = golden_model(output)(HeteroBatch.from_graphs(graphs))
    names = ("atom", "fragment", "atom_junction", "fragment_junction")
    for name in names[: 2 if output == "homo" else 4]:
        actual = getattr(out, name).numpy()
        error = np.abs(actual - golden[name]).max() / np.abs(golden[name]).max()
        assert error < 1e-5, (name, error)


@pytest.mark.parametrize("output", ["homo", "fused"])
def test_a_molecule_alone_gives_the_rows_it_has_in_a_batch(output: str) -> None:
    smiles = ["NCC(=O)NCC(=O)O", "C", "CC(=O)[O-].[Na+]", "O=C1CCC(=O)N1CC(=O)NC"]
    graphs = [featurize(s) for s in smiles]
    model, together = golden_model(output), HeteroBatch.from_graphs(graphs)
    with torch.no_grad():
        out = model(together)
        for i, graph in enumerate(graphs):
            alone = model(HeteroBatch.from_graphs([graph]))
            rows = slice(together.atom_ptr[i], together.atom_ptr[i + 1])
            torch.testing.assert_close(alone.atom_embedding, out.atom_embedding[rows])
            rows = slice(together.fragment_ptr[i], together.fragment_ptr[i + 1])
            torch.testing.assert_close(alone.fragment_embedding, out.fragment_embedding[rows])


def test_a_node_without_edges_is_zero() -> None:
    out = golden_model("homo")(HeteroBatch.from_graphs([featurize("C")]))
    assert not out.atom.any()
    assert not out.fragment.any()
