"""Commands that benchmarks run as separate processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PEPLAND_DATA = [sys.executable, "-c", "from pepland_cli.data import main; main()"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
"""Environment in which numpy and torch use one thread."""


def train_arguments(store: Path, out: Path, flags: Mapping[str, object]) -> list[str]:
    """Return the arguments of Python that run ``pepland-train`` with these options."""
    options = [part for key, value in flags.items() for part in (f"--{key}", str(value))]
    return ["-m", "pepland_cli.train", "--shards", str(store), "--out", str(out), *options]
