"""A saved model loads with the same results; a bad file is named in one sentence."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pepland_data.errors import InputError
from pepland_model import PharmHGT, PharmHGTConfig
from tests.helpers.pretrain_data import golden_batch

CONFIG = PharmHGTConfig(hidden=16, depth=3, output="fused", dedup=False)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = PharmHGT(CONFIG)
    model.save(tmp_path / "new" / "model")
    return model, tmp_path / "new" / "model"


def test_a_loaded_model_has_the_configuration_and_gives_the_same_bits(saved) -> None:
    model, folder = saved
    loaded = PharmHGT.load(folder)
    assert loaded.config == CONFIG
    assert not loaded.training
    with torch.no_grad():
        actual, expected = loaded(golden_batch()), model.eval()(golden_batch())
    assert torch.equal(actual.atom_embedding, expected.atom_embedding)
    assert torch.equal(actual.fragment_embedding, expected.fragment_embedding)


def test_settings_that_change_no_weight_can_be_changed_while_loading(saved) -> None:
    _, folder = saved
    loaded = PharmHGT.load(folder, output="homo", dedup=True)
    assert (loaded.config.output, loaded.config.dedup) == ("homo", True)
    with pytest.raises(InputError, match="colour"):
        PharmHGT.load(folder, colour="red")


def spoil_tensors(folder, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


SPOILED = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "cannot be read"),
    "no configuration": (lambda f: (f / "config.json").unlink(), "cannot be read"),
    "cut short": (
        lambda f: (f / "model.safetensors").write_bytes(
            (f / "model.safetensors").read_bytes()[:-40]
        ),
        "damaged or not safetensors",
    ),
    "other bytes": (lambda f: (f / "model.safetensors").write_bytes(b"PK" * 99), "damaged"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "not JSON"),
    "no settings": (lambda f: (f / "config.json").write_text("[]"), "no settings"),
    "unknown setting": (lambda f: (f / "config.json").write_text('{"size": 3}'), "'size'"),
    "a word for a number": (
        lambda f: (f / "config.json").write_text('{"hidden": "many"}'),
        "wrong type",
    ),
    "a missing weight": (lambda f: spoil_tensors(f, lambda t: t.pop("w_atom.bias")), "lacks 'w_a"),
    "an unknown weight": (
        lambda f: spoil_tensors(f, lambda t: t.update(extra=torch.ones(2))),
        "holds 'extra'",
    ),
    "another width": (
        lambda f: (f / "config.json").write_text(json.dumps(CONFIG.to_dict() | {"hidden": 32})),
        "has shape",
    ),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_bad_folder_raises_an_error_of_one_sentence(saved, case) -> None:
    _, folder = saved
    spoil, words = SPOILED[case]
    spoil(folder)
    with pytest.raises(InputError, match=words) as caught:
        PharmHGT.load(folder)
    assert "\n" not in str(caught.value)
