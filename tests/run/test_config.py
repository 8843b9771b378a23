"""The configuration: options, TOML files, and wrong values."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pepland_data.errors import InputError
from pepland_model.run.config import (
    SECTIONS,
    TrainConfig,
    differences,
    from_dict,
    from_toml,
    to_toml,
    with_flags,
)
from pepland_model.train.mask import MaskOptions


def test_the_defaults_are_the_published_ones() -> None:
    c = TrainConfig()
    assert (c.optim.optimizer, c.optim.lr, c.optim.weight_decay) == ("adam", 1e-3, 0.0)
    assert (c.data.batch_size, c.run.epochs, c.mask.mode) == (512, 50, "pep")
    assert MaskOptions.of(c.mask).rate == c.mask.fragment_rate == 0.8
    assert c.mask.mask_fragments
    assert not c.mask.mask_bonds


def test_a_configuration_comes_back_from_its_file(tmp_path) -> None:
    shards = ('C:\\data "1"', "zwei\n")
    flags = {"shards": shards, "weights": (0.5, 0.5), "lr": 3e-4, "mask_bonds": True, "seed": 7}
    config = with_flags(TrainConfig(), flags)
    (tmp_path / "c.toml").write_text(to_toml(config.as_dict()))
    assert from_toml(tmp_path / "c.toml") == config


def test_every_key_belongs_to_one_section() -> None:
    keys = [key for section in TrainConfig().as_dict().values() for key in section]
    assert len(keys) == len(set(keys))
    assert set(TrainConfig().as_dict()) == set(SECTIONS)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"optim": {"learning_rate": 1.0}}, "'learning_rate' in \\[optim\\] is unknown"),
        ({"optim": {"warmup_step": 5}}, "did you mean 'warmup_steps'"),
        ({"optimizer": {"lr": 1.0}}, "did you mean 'optim'"),
        ({"data": {"batch_size": "big"}}, "batch_size is 'big'; expected int"),
        ({"data": {"batch_size": 0}}, "batch_size is 0"),
        ({"data": {"tier": "cloud"}}, "choose from auto"),
        ({"data": {"shards": ["a"], "weights": [0.5, 0.5]}}, "2 weights for 1 stores"),
        ({"mask": {"fragment_rate": 1.2}}, "fragment_rate is 1.2"),
        ({"optim": {"ema": 1.0}}, "ema is 1.0"),
        ({"run": {"keep": 0}}, "keep is 0"),
        ({"run": {"max_steps": -1}}, "max_steps is -1"),
        ({"optim": {"lr": float("nan")}}, "lr is nan; it must be a finite number"),
        ({"optim": {"clip": float("inf")}}, "clip is inf"),
        ({"optim": {"min_lr_fraction": 2.0}}, "min_lr_fraction is 2.0"),
        ({"mask": {"atom_rate": -0.5}}, "atom_rate is -0.5"),
        ({"model": {"hidden": -8}}, "hidden is -8"),
        ({"run": {"seed": 2**70}}, "must fit into 64 bits"),
    ],
)
def test_a_wrong_value_is_refused_by_name(sections, words) -> None:
    with pytest.raises(InputError, match=words):
        from_dict(sections)


def test_a_file_that_names_a_task_starts_from_the_defaults_of_fine_tuning() -> None:
    config = from_dict({"finetune": {"task": "regression", "target": "y"}, "optim": {"clip": 2.0}})
    assert (config.optim.lr, config.data.batch_size, config.optim.clip) == (5e-4, 64, 2.0)
    assert from_dict(config.as_dict()) == config


def test_a_file_that_is_not_toml_is_named(tmp_path) -> None:
    (tmp_path / "c.toml").write_text("[data\nx")
    with pytest.raises(InputError, match=r"c\.toml"):
        from_toml(tmp_path / "c.toml")


def test_a_resumed_run_may_be_longer_but_have_no_other_learning_rate() -> None:
    base = TrainConfig()
    longer = with_flags(base, {"epochs": 60, "tier": "mmap", "log_every": 5})
    assert differences(base, longer) == []
    assert differences(base, with_flags(base, {"lr": 0.5})) == ["lr: 0.001 -> 0.5"]


def test_the_command_line_answers_without_waiting_for_torch() -> None:
    code = (
        "import sys; import pepland_cli.train; "
        "sys.exit('torch' in sys.modules or 'pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
