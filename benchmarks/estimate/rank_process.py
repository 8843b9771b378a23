"""One of several processes of ``pepland-train``, whose sums over all processes are counted.

torchrun ... -m benchmarks.estimate.rank_process FOUND BYTES HOW ARGUMENTS

Before it trains, it measures one all-reduce of some bytes. HOW is ``sums``, or ``alone``: then no
process waits for another. The first process writes FOUND.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch import Tensor

from benchmarks.estimate.compare import Row
from pepland_cli.train import main as train

TIMES = 12


def all_reduce_ms(size: int) -> float:
    """Return the milliseconds of one all-reduce of some bytes, the median of `TIMES`."""
    values, taken = torch.zeros(size // 4), []
    for _ in range(TIMES):
        dist.barrier()
        began = time.perf_counter()
        dist.all_reduce(values)
        taken.append(time.perf_counter() - began)
    return 1e3 * median(taken)


def trained(how: str, arguments: list[str]) -> Counter[int]:
    """Train, and return how many all-reduces there were of each number of bytes."""
    sums: Counter[int] = Counter()
    real = dist.all_reduce

    def counted(values: Tensor, *args: Any, **named: Any) -> Any:
        sums[values.nbytes] += 1
        return real(values, *args, **named) if how == "sums" else None

    with patch.object(dist, "all_reduce", counted):
        train.main(arguments, standalone_mode=False)
    return sums


def main() -> None:
    """Measure and train, and write what was found."""
    found, size, how, *arguments = sys.argv[1:]
    dist.init_process_group("gloo")
    rank, row = dist.get_rank(), Row(all_reduce_ms=all_reduce_ms(int(size)))
    row["sums"] = trained(how, arguments)
    if rank == 0:
        Path(found).write_text(json.dumps(row), encoding="utf-8")


if __name__ == "__main__":
    main()
