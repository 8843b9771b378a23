"""Freed memory is used again without new pages from the system."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest
import torch

from pepland_model.run.host_memory import keep_freed_memory
from tests.helpers.train_worker import end, start


def count_faults(out: Path, keep: bool) -> None:
    """Write how many pages the system handed out for a network's tensors after a warm-up."""
    if keep:
        assert keep_freed_memory()
    for _ in range(3):
        layers()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        layers()
    out.write_text(
        str(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before), encoding="utf-8"
    )


def layers() -> None:
    """Allocate and free blocks of 48 MB, above the limit of 32 MiB."""
    x = torch.ones(40_000, 300)
    for _ in range(6):
        x = (x + 1).relu()


@pytest.mark.skipif(sys.platform != "linux", reason="the switch is one of glibc")
def test_kept_memory_needs_hardly_any_new_pages(tmp_path) -> None:
    """The heap may grow by a block or two more, as small ones come to lie between large ones."""
    for keep in (True, False):
        assert end(start(count_faults, tmp_path / str(keep), keep)) == 0
    faults = {keep: int((tmp_path / str(keep)).read_text()) for keep in (True, False)}
    assert faults[True] * 20 < faults[False]
