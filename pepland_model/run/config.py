"""The configuration of a training run: sections of keys, from options or one TOML file.

To add a key, add one field to a section: the TOML key, the command-line option, its help text and
the check of its value follow from it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pepland_data.errors import InputError
from pepland_data.loader.tiers.choice import TIERS
from pepland_model.run.config_option import (
    INT64,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    SHARE_BELOW_1,
    Limit,
    check_section,
    option,
)
from pepland_model.run.task_config import DEFAULTS, TaskConfig, check_task

ATOM_RATE = Limit("lie between 0 and 1", lambda rate: rate == -1 or 0 <= rate <= 1)
MASK_MODES = {"pep": "not those of bare amides", "residue": "whole residues", "atom": "any"}
"""Mode -> its help text. The rules are in `pepland_model.train.mask`."""
OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("constant", "cosine", "noam")
PRECISIONS = ("auto", "fp32", "tf32", "bf16", "fp16")


# fmt: off
@dataclass(frozen=True)
class DataConfig:
    """Which graphs are trained on, and how they are batched."""

    shards: tuple[str, ...] = option(
        (), "Store, or folder with the stores train/, valid/ and test/. Repeat it for several.")
    weights: tuple[float, ...] = option(
        (), "Share of each store in an epoch: 0.7,0.3. Default: by the size of the stores.")
    vocab: str = option(
        "", "Fragment vocabulary, a file with one SMILES per line. Default: from the stores.")
    vocab_size: int = option(
        258, "Size of a vocabulary taken from the stores, in fragments.", POSITIVE)
    valid_fraction: float = option(
        0.05, "Share of graphs held out, if there is no validation set.", SHARE_BELOW_1)
    split_seed: int = option(
        0, "Random seed that decides which graphs --valid-fraction holds out.", INT64)
    batch_size: int = option(
        512, "Graphs per optimizer step, over all processes and parts.", POSITIVE)
    accumulate: int = option(
        1, "Parts per batch and process. More parts need less memory and give the same "
        "losses.", POSITIVE)
    tier: str = option(
        "auto", "Where the graphs are kept: mmap (on disk), host (in memory) or device (in GPU "
        "memory). auto takes the fastest one that fits.", TIERS)
    shuffle: str = option(
        "global", "Order of the graphs. block reads long consecutive parts of the file: faster on "
        "a slow disk.", ("global", "block"))


@dataclass(frozen=True)
class MaskConfig:
    """What the network has to predict; see `pepland_model.train.mask.MaskOptions`."""

    mode: str = option(
        "pep", f"Atoms to mask: {', '.join(f'{k} ({v})' for k, v in MASK_MODES.items())}.",
        tuple(MASK_MODES))
    atom_rate: float = option(
        -1.0, "Share of the atoms to mask per graph; in mode residue, of the residues. -1 means "
        "the published rate: 0.8, in mode residue 0.3.", ATOM_RATE)
    mask_fragments: bool = option(True, "Mask fragments and predict them.")
    fragment_rate: float = option(0.8, "Share of the fragments to mask per graph.", SHARE)
    mask_bonds: bool = option(False, "Mask the bonds of masked atoms and predict their type.")


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the encoder. `PharmHGTConfig` has the remaining settings."""

    output: str = option(
        "homo", "Embedding of a node: homo (its own state), checkpoint (for atoms, the mean with "
        "the state of the junction view, as in the published weights) or fused (that mean for "
        "fragments too).", ("homo", "checkpoint", "fused"))
    hidden: int = option(300, "Width of the hidden states.", POSITIVE)
    depth: int = option(5, "Depth of the encoder; it runs depth - 1 rounds of message passing.")
    heads: int = option(4, "Number of attention heads. It must divide --hidden.", POSITIVE)
    dedup: str = option(
        "auto", "Compute equal states of a batch once. auto does so where it saves time.",
        ("auto", "always", "never"))


@dataclass(frozen=True)
class OptimConfig:
    """How the weights are updated."""

    optimizer: str = option("adam", "Optimizer.", OPTIMIZERS)
    lr: float = option(1e-3, "Peak learning rate.", POSITIVE)
    weight_decay: float = option(
        0.0, "Weight decay of weight matrices. Biases have none.", NOT_NEGATIVE)
    schedule: str = option("constant", "Learning rate after the warm-up.", SCHEDULES)
    warmup_steps: int = option(
        0, "Steps in which the learning rate rises linearly to its peak.", NOT_NEGATIVE)
    min_lr_fraction: float = option(
        0.0, "Share of the peak learning rate at the end of the cosine schedule.", SHARE)
    clip: float = option(
        0.0, "Largest norm of the gradient; larger ones are scaled down. 0 means no "
        "clipping.", NOT_NEGATIVE)
    ema: float = option(
        0.0, "Decay per step of a moving average of the weights. 0 means no "
        "average.", SHARE_BELOW_1)
    precision: str = option(
        "auto", "Number format of the forward pass. auto means bf16 on GPUs that support it, else "
        "fp32.", PRECISIONS)
    activation_checkpointing: bool = option(
        False, "Recompute attention in the backward pass: less memory, about one third more time.")


@dataclass(frozen=True)
class RunConfig:
    """How long a run takes, how often it evaluates and saves, and where."""

    out: str = option("run", "Run folder. The same command again resumes from its last checkpoint.")
    epochs: int = option(50, "Passes over the training graphs.", POSITIVE)
    max_steps: int = option(
        0, "Stop after this number of optimizer steps. 0 means after --epochs.", NOT_NEGATIVE)
    eval_every: int = option(
        500, "Optimizer steps between evaluations. 0 means only at the end.", NOT_NEGATIVE)
    eval_batches: int = option(
        0, "Number of batches per evaluation. 0 means all validation graphs.", NOT_NEGATIVE)
    checkpoint_every: int = option(
        500, "Optimizer steps between checkpoints. 0 means only at the end.", NOT_NEGATIVE)
    checkpoint_minutes: float = option(
        10.0, "Also write a checkpoint when the last one is older than this many minutes. 0 means "
        "never.", NOT_NEGATIVE)
    keep: int = option(2, "Number of newest checkpoints to keep, besides the best.", POSITIVE)
    log_every: int = option(10, "Optimizer steps between two lines of metrics.jsonl.", POSITIVE)
    patience: int = option(
        0, "Stop after this number of evaluations without a lower validation loss. 0 means "
        "never.", NOT_NEGATIVE)
    seed: int = option(0, "Random seed of weights, order and masks.", INT64)
    device: str = option("auto", "auto, cpu, cuda or cuda:N. auto takes a GPU if there is one.")
    graph: str = option(
        "auto", "Record a step of pre-training on a GPU as one CUDA graph. auto does so where it "
        "can, on fails where it cannot.", ("auto", "on", "off"))
    init_from: str = option(
        "", "Run folder or model folder to start from; its weights, heads and vocabulary are used.")
    freeze: bool = option(False, "Train only the heads, not the encoder.")
    profile: bool = option(
        False, "Profile ten steps, write a Chrome trace and print what limits the speed.")
# fmt: on


@dataclass(frozen=True)
class TrainConfig:
    """All sections of a run."""

    data: DataConfig = DataConfig()
    mask: MaskConfig = MaskConfig()
    model: ModelConfig = ModelConfig()
    optim: OptimConfig = OptimConfig()
    run: RunConfig = RunConfig()
    finetune: TaskConfig = field(default=TaskConfig())

    def __post_init__(self) -> None:
        for name in SECTIONS:
            check_section(getattr(self, name))
        check_task(self.finetune)
        _check_weights(self.data)

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
ITEMS: dict[str, type[Any]] = {"shards": str, "weights": float}
"""Type of the items of each key that holds several."""
MAY_CHANGE = {
    "run": {
        "out", "epochs", "max_steps", "eval_every", "checkpoint_every", "checkpoint_minutes",
        "keep", "log_every", "patience", "device", "graph", "profile",
    },
    "data": {"tier", "accumulate"},
}  # fmt: skip
"""Keys that may change when a run is resumed."""


def section_of(key: str) -> str:
    """Return the section of a key. No two sections have a key of the same name."""
    sections = {f.name: name for name, section in SECTIONS.items() for f in fields(section)}
    if key not in sections:
        raise InputError(f"configuration key {key!r} is unknown; {_nearest(key, sections)}")
    return sections[key]


def from_dict(sections: Mapping[str, Any], where: str = "configuration") -> TrainConfig:
    """Return the configuration of nested sections.

    Args:
        sections: section -> key -> value; a missing key has its default.
        where: source of the sections, for error messages.

    Raises:
        InputError: an unknown section or key, or a value that is not allowed.
    """
    if not isinstance(sections, Mapping):
        raise InputError(f"{where} has no sections; expected the config.toml of a run")
    for name, values in sections.items():
        if name not in SECTIONS or not isinstance(values, Mapping):
            raise InputError(f"{where}: section [{name}] is unknown; {_nearest(name, SECTIONS)}")
        known = [f.name for f in fields(SECTIONS[name])]
        for key in values:
            if key not in known:
                hint = _nearest(key, known)
                raise InputError(f"{where}: key {key!r} in [{name}] is unknown; {hint}")
    given = {key: value for values in sections.values() for key, value in values.items()}
    return with_flags(task_defaults(given.get("task")), given, f"{where}: ")


def from_toml(path: str | Path) -> TrainConfig:
    """Read a configuration file."""
    return from_dict(read_toml(path), str(path))


def read_toml(
    path: str | Path, what: str = "configuration", like: str = "the config.toml of a run"
) -> dict[str, Any]:
    """Return the sections of a TOML file; InputError if it cannot be read.

    Args:
        path: the file.
        what: name of its content, for the error.
        like: a file of the same form, for the error.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"cannot read {what} {path}: {error}; expected a TOML file such as {like}"
        ) from error


def task_defaults(task: str | None) -> TrainConfig:
    """Return the default configuration of a task."""
    defaults = TrainConfig()
    return defaults if task in (None, "pretrain") else with_flags(defaults, DEFAULTS)


def with_flags(config: TrainConfig, flags: Mapping[str, Any], where: str = "") -> TrainConfig:
    """Return the configuration with some keys replaced.

    Args:
        config: the configuration to start from.
        flags: key -> value, without sections, as on the command line.
        where: start of error messages.
    """
    changed: dict[str, dict[str, Any]] = {}
    for key, value in flags.items():
        name = section_of(key)
        default = getattr(SECTIONS[name], key)
        kind = ITEMS[key] if isinstance(default, tuple) else type(default)
        changed.setdefault(name, {})[key] = _convert(value, default, kind, f"{where}{key}")
    sections = {name: replace(getattr(config, name), **keys) for name, keys in changed.items()}
    return replace(config, **sections)


def to_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Return sections of plain values as TOML text."""
    blocks = []
    for name, values in sections.items():
        lines = [f"{key} = {_toml_value(value)}" for key, value in values.items()]
        blocks.append("\n".join([f"[{name}]", *lines, ""]))
    return "\n".join(blocks)


def differences(old: TrainConfig, new: TrainConfig) -> list[str]:
    """Return ``key: old -> new`` for each changed key that a resumed run may not change."""
    found = []
    for name, values in old.as_dict().items():
        other = new.as_dict()[name]
        for key, value in values.items():
            if value != other[key] and key not in MAY_CHANGE.get(name, set()):
                found.append(f"{key}: {value!r} -> {other[key]!r}")
    return found


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def _convert(value: Any, default: Any, kind: type[Any], where: str) -> Any:
    """Return a value as a type; a tuple has items of that type."""
    if isinstance(default, tuple):
        values = value if isinstance(value, list | tuple) else (value,)
        return tuple(_convert(one, None, kind, where) for one in values)
    if kind is float and type(value) is int and abs(value) < 2**63:
        return float(value)
    if type(value) is not kind:
        raise InputError(f"{where} is {value!r}; expected {kind.__name__}")
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


def _check_weights(data: DataConfig) -> None:
    if data.weights and len(data.weights) != len(data.shards):
        raise InputError(
            f"{len(data.weights)} weights for {len(data.shards)} stores; give one weight per store"
        )
    if any(weight <= 0 for weight in data.weights):
        raise InputError(f"weights are {data.weights}; each must be above 0")
