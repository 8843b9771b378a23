"""Fine-tune in a process of its own, so that tests can kill it.

Usage: python -m tests.helpers.finetune_worker STORE OUT [key=value ...]
"""

from __future__ import annotations

import json
import sys

import torch

from pepland_model.finetune.finetune import finetune
from pepland_model.run.config import task_defaults, with_flags
from tests.helpers.pretrain_worker import die_at

DEFAULTS = {
    "task": "regression", "target": "affinity", "hidden": 16, "depth": 2, "epochs": 4,
    "batch_size": 8, "device": "cpu", "seeds": 2, "log_every": 1, "checkpoint_minutes": 1e-9,
    "patience": 0, "lr": 1e-3,
}  # fmt: skip


def run(store: str, out: str, **flags):
    """Fine-tune; flags as in `pepland_model.run.config`."""
    given = {**DEFAULTS, "shards": (str(store),), "out": str(out), **flags}
    return finetune(with_flags(task_defaults("regression"), given))


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = dict(argument.split("=", 1) for argument in sys.argv[3:])
    if "die" in given:
        where, _, count = given.pop("die").rpartition("@")
        die_at(where, int(count))
    flags = {key: json.loads(value) for key, value in given.items()}
    sys.exit(run(sys.argv[1], sys.argv[2], **flags)["exit_code"])
