"""Published checkpoints: tensors are read, nothing else is run."""

from __future__ import annotations

import pickle
import zipfile

import pytest
import torch
from click.testing import CliRunner
from pepland_cli.train import main
from safetensors.torch import load_file
from torch import nn

from pepland_data.errors import InputError
from pepland_model.config import PharmHGTConfig
from pepland_model.import_upstream import import_upstream
from pepland_model.torch_file import read_tensors
from pepland_model.upstream import upstream_shapes

CONFIG = PharmHGTConfig(hidden=16, depth=3, output="checkpoint")


class Published(nn.Module):
    """A module with all published names, as the file holds it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name, shape in upstream_shapes(CONFIG).items():
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


def test_what_a_file_wants_to_run_is_not_run(tmp_path, capsys) -> None:
    torch.save({"w": torch.ones(2), "bomb": Bomb()}, tmp_path / "m.pth")
    found = read_tensors(tmp_path / "m.pth")
    assert found["w"].tolist() == [1, 1]
    assert "boom" not in capsys.readouterr().out


def test_a_view_of_a_larger_storage_and_other_dtypes_are_read(tmp_path) -> None:
    tensors = {"view": torch.arange(12.0).reshape(3, 4)[:, 1::2], "half": torch.ones(3).half(),
               "count": torch.tensor(5), "flag": torch.tensor([True, False])}  # fmt: skip
    torch.save(tensors, tmp_path / "m.pth")
    for name, value in read_tensors(tmp_path / "m.pth").items():
        assert torch.equal(value, tensors[name])
        assert value.dtype == tensors[name].dtype


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
    ],
)
def test_another_file_is_refused_in_one_sentence(tmp_path, make, words) -> None:
    make(tmp_path / "m.pth")
    result = CliRunner().invoke(
        main, ["import-upstream", str(tmp_path / "m.pth"), str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_written_to(tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        import_upstream(tmp_path / "m.pth", tmp_path / "out")
