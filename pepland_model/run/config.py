"""What a training run is: five small sections, from flags or one TOML file."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pepland_data.errors import InputError
from pepland_model.run.option import option
from pepland_model.run.task_config import DEFAULTS, TaskConfig, check_task

OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("constant", "cosine", "noam")
PRECISIONS = ("auto", "fp32", "tf32", "bf16", "fp16")


@dataclass(frozen=True)
class DataConfig:
    """Which graphs, in which batches."""

    shards: tuple[str, ...] = option(
        (), "A store, or a folder with train/, valid/ and test/; several: repeat it."
    )
    weights: tuple[float, ...] = option((), "Share of each store in a mixture: 0.7,0.3.")
    vocab: str = option("", "Fragment vocabulary, one SMILES a line; default: the store's own.")
    vocab_size: int = option(258, "How many of the store's fragments make its own vocabulary.")
    valid_fraction: float = option(0.05, "Share of one store kept for validation.")
    split_seed: int = option(0, "Seed of that split.")
    batch_size: int = option(512, "Graphs an optimizer step, over all processes and parts.")
    accumulate: int = option(1, "Parts in which each process takes its share of a batch.")
    tier: str = option("auto", "Where the graphs live.", ("auto", "mmap", "host", "device"))
    shuffle: str = option(
        "global", "Order; block reads a slow disk in long strokes.", ("global", "block")
    )


@dataclass(frozen=True)
class MaskConfig:
    """What the model has to guess; see `train.mask.MaskOptions`."""

    mode: str = option("pep", "Which atoms are masked.", ("pep", "residue", "atom"))
    atom_rate: float = option(-1.0, "Share of atoms (or pieces); -1: 0.8, of pieces 0.3.")
    mask_fragments: bool = option(True, "Mask fragments too.")
    fragment_rate: float = option(0.8, "Share of fragments.")
    mask_bonds: bool = option(False, "Mask bonds at masked atoms and predict their type.")


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the encoder; the rest is `PharmHGTConfig`'s own defaults."""

    output: str = option("homo", "Which view is the embedding.", ("homo", "checkpoint", "fused"))
    hidden: int = option(300, "Width.")
    depth: int = option(5, "Depth; depth - 1 rounds of message passing.")
    heads: int = option(4, "Attention heads.")
    dedup: str = option(
        "auto", "Compute each distinct state once.", choices=("auto", "always", "never")
    )


@dataclass(frozen=True)
class OptimConfig:
    """How weights follow from losses."""

    optimizer: str = option("adam", "Optimizer.", OPTIMIZERS)
    lr: float = option(1e-3, "Highest learning rate.")
    weight_decay: float = option(0.0, "Weight decay of matrices.")
    schedule: str = option("constant", "Learning rate after the warm-up.", SCHEDULES)
    warmup_steps: int = option(0, "Steps of linear warm-up.")
    min_lr_fraction: float = option(0.0, "Share of the rate that cosine ends with.")
    clip: float = option(0.0, "Largest gradient norm; 0 = no clipping.")
    ema: float = option(0.0, "Decay of a moving average of the weights; 0 = none.")
    precision: str = option("auto", "auto: bf16 on cards that have it, else fp32.", PRECISIONS)
    activation_checkpointing: bool = option(False, "Less memory, about a third more time.")


@dataclass(frozen=True)
class RunConfig:
    """How long, how often, and where to."""

    out: str = option("run", "Run folder; the same command again goes on from its checkpoint.")
    epochs: int = option(50, "Passes over the training graphs.")
    max_steps: int = option(0, "Stop after that many optimizer steps; 0 = after the epochs.")
    eval_every: int = option(500, "Steps between evaluations; 0 = at the end only.")
    eval_batches: int = option(0, "Batches an evaluation; 0 = all validation graphs.")
    checkpoint_every: int = option(500, "Steps between checkpoints; 0 = at the end only.")
    checkpoint_minutes: float = option(10.0, "And whenever that much time has passed; 0 = never.")
    keep: int = option(2, "Checkpoints kept beside the best one.")
    log_every: int = option(10, "Steps between lines of metrics.jsonl.")
    patience: int = option(0, "Stop after that many evaluations without a better loss; 0 = never.")
    seed: int = option(0, "Seed of weights, order and masks.")
    device: str = option("auto", "auto, cpu, cuda or cuda:N.")
    init_from: str = option("", "Run or checkpoint whose weights, heads and vocabulary to take.")
    freeze: bool = option(False, "Train the heads only.")
    profile: bool = option(False, "Write a profiler trace of ten steps and print what limits.")


@dataclass(frozen=True)
class TrainConfig:
    """A whole run."""

    data: DataConfig = DataConfig()
    mask: MaskConfig = MaskConfig()
    model: ModelConfig = ModelConfig()
    optim: OptimConfig = OptimConfig()
    run: RunConfig = RunConfig()
    finetune: TaskConfig = field(default=TaskConfig())

    def __post_init__(self) -> None:
        _check(self)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return section -> key -> value, as in the TOML file."""
        return asdict(self)


SECTIONS: dict[str, type[Any]] = {
    "data": DataConfig,
    "mask": MaskConfig,
    "model": ModelConfig,
    "optim": OptimConfig,
    "run": RunConfig,
    "finetune": TaskConfig,
}
MAY_CHANGE = {
    "run": {
        "out", "epochs", "max_steps", "eval_every", "checkpoint_every", "checkpoint_minutes",
        "keep", "log_every", "patience", "device", "profile",
    },
    "data": {"tier", "accumulate"},
}  # fmt: skip
"""Keys that a resumed run may set differently without being another run."""


def section_of(key: str) -> str:
    """Return the section of a key; every key belongs to one section only."""
    for name, section in SECTIONS.items():
        if key in {f.name for f in fields(section)}:
            return name
    raise InputError(f"configuration key {key!r} is unknown; {_nearest(key, _all_keys())}")


def from_dict(sections: Mapping[str, Any], where: str = "configuration") -> TrainConfig:
    """Build a configuration from sections; every unknown name is refused.

    Args:
        sections: section -> key -> value; missing ones take their default.
        where: named in errors.
    """
    built: dict[str, Any] = {}
    task = sections.get("finetune", {})
    fresh = task_defaults(task.get("task") if isinstance(task, Mapping) else None)
    for name, values in sections.items():
        if name not in SECTIONS or not isinstance(values, Mapping):
            raise InputError(f"{where}: section [{name}] is unknown; {_nearest(name, SECTIONS)}")
        known = {f.name: f for f in fields(SECTIONS[name])}
        for key in values:
            if key not in known:
                hint = _nearest(key, known)
                raise InputError(f"{where}: key {key!r} in [{name}] is unknown; {hint}")
        converted = {k: _convert(v, known[k].default, f"{where}: {k}") for k, v in values.items()}
        built[name] = replace(getattr(fresh, name), **converted)
    return replace(fresh, **built)


def from_toml(path: str | Path) -> TrainConfig:
    """Read a configuration file."""
    return from_dict(read_toml(path), str(path))


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file; InputError where that cannot be done."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read configuration {path}: {error}") from error


def task_defaults(task: str | None) -> TrainConfig:
    """Return the configuration that flags start from where there is no file."""
    fresh = TrainConfig()
    return fresh if task in (None, "pretrain") else with_flags(fresh, DEFAULTS)


def with_flags(config: TrainConfig, flags: Mapping[str, Any]) -> TrainConfig:
    """Return the configuration with single keys replaced, each named without its section."""
    changed: dict[str, Any] = {}
    for key, value in flags.items():
        name = section_of(key)
        section = changed.get(name, getattr(config, name))
        default = {f.name: f.default for f in fields(section)}[key]
        changed[name] = replace(section, **{key: _convert(value, default, key)})
    return replace(config, **changed)


def to_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Return sections of plain values as TOML text."""
    blocks = []
    for name, values in sections.items():
        lines = [f"{key} = {_toml_value(value)}" for key, value in values.items()]
        blocks.append("\n".join([f"[{name}]", *lines, ""]))
    return "\n".join(blocks)


def differences(old: TrainConfig, new: TrainConfig) -> list[str]:
    """Return ``key: old -> new`` for each key that makes it another run."""
    found = []
    for name, values in old.as_dict().items():
        other = new.as_dict()[name]
        for key, value in values.items():
            if value != other[key] and key not in MAY_CHANGE.get(name, set()):
                found.append(f"{key}: {value!r} -> {other[key]!r}")
    return found


def _all_keys() -> list[str]:
    return [f.name for section in SECTIONS.values() for f in fields(section)]


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def _convert(value: Any, default: Any, where: str) -> Any:
    if isinstance(default, tuple):
        return tuple(value) if isinstance(value, list | tuple) else (value,)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        expected = type(default).__name__
        raise InputError(f"{where} is {value!r}; expected {expected}")
    return value


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = "".join(_ESCAPES.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in value)
        return f'"{escaped}"'
    return repr(value)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\x7f": "\\u007f"}


def _check(config: TrainConfig) -> None:
    check_task(config.finetune)
    for name, section in config.as_dict().items():
        for f in fields(SECTIONS[name]):
            choices, value = f.metadata["choices"], section[f.name]
            if choices and value not in choices:
                raise InputError(f"{f.name} is {value!r}; choose from {', '.join(choices)}")
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{f.name} is {value}; it must be a finite number")
    data, optim, run = config.data, config.optim, config.run
    positive = {"batch_size": data.batch_size, "accumulate": data.accumulate, "keep": run.keep,
                "vocab_size": data.vocab_size, "lr": optim.lr, "log_every": run.log_every,
                "epochs": run.epochs, "hidden": config.model.hidden,
                "heads": config.model.heads}  # fmt: skip
    for key, number in positive.items():
        if number <= 0:
            raise InputError(f"{key} is {number}; it must be above 0")
    counts = {"max_steps": run.max_steps, "eval_every": run.eval_every, "patience": run.patience,
              "checkpoint_every": run.checkpoint_every,
              "checkpoint_minutes": run.checkpoint_minutes, "clip": optim.clip,
              "warmup_steps": optim.warmup_steps, "weight_decay": optim.weight_decay,
              "eval_batches": run.eval_batches}  # fmt: skip
    for key, number in counts.items():
        if number < 0:
            raise InputError(f"{key} is {number}; it must be 0 or more")
    for key, share in {"valid_fraction": data.valid_fraction, "ema": optim.ema}.items():
        if not 0 <= share < 1:
            raise InputError(f"{key} is {share}; it must lie in 0 to 1, 1 excluded")
    if data.weights and len(data.weights) != len(data.shards):
        raise InputError(
            f"{len(data.weights)} weights for {len(data.shards)} stores; give one weight a store"
        )
    if any(weight <= 0 for weight in data.weights):
        raise InputError(f"weights are {data.weights}; each must be above 0")
    for key, seed in {"seed": run.seed, "split_seed": data.split_seed}.items():
        if not -(2**63) <= seed < 2**63:
            raise InputError(f"{key} is {seed}; it must fit into 64 bits")
    if config.mask.atom_rate < 0 and config.mask.atom_rate != MaskConfig.atom_rate:
        raise InputError(f"atom_rate is {config.mask.atom_rate}; it must lie between 0 and 1")
    for key, rate in {"atom_rate": max(0.0, config.mask.atom_rate),
                      "fragment_rate": config.mask.fragment_rate,
                      "min_lr_fraction": optim.min_lr_fraction}.items():  # fmt: skip
        if not 0 <= rate <= 1:
            raise InputError(f"{key} is {rate}; it must lie between 0 and 1")
