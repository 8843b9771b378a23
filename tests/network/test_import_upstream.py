"""Published checkpoints: tensors are read, and no code of the file is run."""

from __future__ import annotations

import pickle
import re
import zipfile

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from torch import nn

from pepland_cli.train import main
from pepland_data.errors import InputError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.network.published.import_upstream import import_upstream
from pepland_model.network.published.torch_file import read_tensors
from pepland_model.network.published_names import published_shapes
from pepland_model.run.config import ModelConfig
from pepland_model.train.init_from import carry_over
from pepland_model.train.pretrain_network import build_network

CONFIG = PharmHGTConfig(hidden=16, depth=3, output="checkpoint")


class Published(nn.Module):
    """A module with all published names."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name, shape in published_shapes(PharmHGT(CONFIG).state_dict(), CONFIG.hidden).items():
            owner: nn.Module = self
            *path, leaf = name.split(".")
            for part in path:
                if part not in owner._modules:
                    owner.add_module(part, nn.Module())
                owner = owner._modules[part]
            owner.register_parameter(leaf, nn.Parameter(torch.randn(shape)))


@pytest.mark.parametrize("form", ["state dict", "module", "wrapped", "nested"])
def test_an_import_holds_the_published_weights(tmp_path, form) -> None:
    model = Published()
    state = model.state_dict()
    saved = {
        "state dict": state,
        "module": model,
        "wrapped": {f"module.{name}": value for name, value in state.items()},
        "nested": {"epoch": 7, "model": state},
    }[form]
    torch.save(saved, tmp_path / "m.pth")
    result = import_upstream(tmp_path / "m.pth", tmp_path / "out")
    assert result["config"]["output"] == "checkpoint"
    for name, value in load_file(tmp_path / "out" / "model.safetensors").items():
        assert torch.equal(value, state[name])


class Bomb:
    """Runs a function when it is unpickled."""

    def __reduce__(self):
        return print, ("boom",)


def test_code_in_a_file_is_not_run(tmp_path, capsys) -> None:
    torch.save({"w": torch.ones(2), "bomb": Bomb()}, tmp_path / "m.pth")
    tensors = read_tensors(tmp_path / "m.pth")
    assert tensors["w"].tolist() == [1, 1]
    assert "boom" not in capsys.readouterr().out


def test_a_view_of_a_larger_storage_and_other_dtypes_are_read(tmp_path) -> None:
    tensors = {"view": torch.arange(12.0).reshape(3, 4)[:, 1::2], "half": torch.ones(3).half(),
               "brain": torch.randn(3).bfloat16(),
               "count": torch.tensor(5), "flag": torch.tensor([True, False])}  # fmt: skip
    torch.save(tensors, tmp_path / "m.pth")
    for name, value in read_tensors(tmp_path / "m.pth").items():
        assert torch.equal(value, tensors[name])
        assert value.dtype == tensors[name].dtype


def _legacy(path) -> None:
    torch.save(Published().state_dict(), path, _use_new_zipfile_serialization=False)


def _half_a_file(path) -> None:
    torch.save(Published().state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _holding_itself(path) -> None:
    tree: dict = {"w": torch.ones(2)}
    tree["self"] = tree
    torch.save(tree, path)


def _not_a_number(path) -> None:
    state = Published().state_dict()
    torch.save(state | {"w_atom.bias": state["w_atom.bias"] * torch.nan}, path)


def _two(path) -> None:
    state = Published().state_dict()
    torch.save({"student": state, "teacher": state}, path)


def _zip(path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "cannot read"),
        (lambda path: path.write_bytes(b"no checkpoint"), "not a zip archive"),
        (lambda path: _zip(path, b"rubbish"), "damaged or not a checkpoint"),
        (lambda path: _zip(path, pickle.dumps({"a": 1})), "holds no named tensors"),
        (lambda path: torch.save({"w": torch.ones(2)}, path), "expected a PharmHGT checkpoint"),
        (_legacy, "before 1.6"),
        (_half_a_file, "cut short"),
        (_holding_itself, "damaged or not a checkpoint"),
        (lambda path: torch.save({"w_atom.weight": torch.tensor(1.0)}, path), "other shapes"),
        (_not_a_number, "'w_atom.bias' holds NaN"),
        (_two, "several encoders (student.w_atom.weight, teacher.w_atom"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, make, words) -> None:
    make(tmp_path / "m.pth")
    result = CliRunner().invoke(
        main, ["import-upstream", str(tmp_path / "m.pth"), str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_not_written_to(tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        import_upstream(tmp_path / "m.pth", tmp_path / "out")


def head(path, classes: int, hidden: int = 16) -> nn.Linear:
    layer = nn.Linear(hidden, classes)
    torch.save(layer if classes == 119 else {"module." + n: t for n, t in
               layer.state_dict().items()}, path)  # fmt: skip
    return layer


def test_heads_are_imported_and_carried_over_by_fragment(tmp_path) -> None:
    """Labels of another vocabulary take the rows with the SMILES of their fragment."""
    torch.save(Published().state_dict(), tmp_path / "m.pth")
    atoms, fragments = head(tmp_path / "a.pth", 119), head(tmp_path / "f.pth", 8)
    (tmp_path / "vocab.txt").write_text("CC\nNC=O\nCCO\n")
    options = ["--atom-head", "a.pth", "--fragment-head", "f.pth", "--vocab", "vocab.txt"]
    paths = [str(tmp_path / o) if "." in o else o for o in options]
    command = ["import-upstream", str(tmp_path / "m.pth"), str(tmp_path / "out"), *paths]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    vocabulary = Vocabulary(("NC=O", "CCN", "CC"))
    network = build_network(ModelConfig("checkpoint", 16, 3, 4), vocabulary, False)
    message = carry_over(network, tmp_path / "out")
    assert "atom and fragment head" in message
    assert torch.equal(network.heads.atom.weight, atoms.weight)
    assert torch.equal(network.heads.fragment.weight[[0, 2]], fragments.weight[[1, 0]])
    assert torch.equal(network.heads.fragment.bias[3:], fragments.bias[3:])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"atom_head": 7}, "expected (119, 16)"),
        ({"atom_head": "encoder"}, "is not one linear layer"),
        ({"fragment_head": 8}, "belong together"),
        ({"fragment_head": 16, "vocabulary": "NC=O"}, "expected (8, 16)"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(tmp_path, files, words) -> None:
    torch.save(Published().state_dict(), tmp_path / "m.pth")
    paths = {}
    for name, what in files.items():
        paths[name] = tmp_path / f"{name}.file"
        if name == "vocabulary":
            paths[name].write_text(what)
        elif what == "encoder":
            paths[name] = tmp_path / "m.pth"
        else:
            head(paths[name], what)
    with pytest.raises(InputError, match=re.escape(words)):
        import_upstream(tmp_path / "m.pth", tmp_path / "out", **paths)
    assert not (tmp_path / "out").exists()


def test_a_weight_that_is_not_a_tensor_is_refused() -> None:
    state = Published().state_dict() | {"w_atom.bias": 3}
    with pytest.raises(InputError, match=r"'w_atom.bias' is not a tensor but int"):
        PharmHGT(CONFIG).load_upstream_state_dict(state)
