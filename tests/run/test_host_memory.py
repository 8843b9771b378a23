"""Memory that is freed is used again without new pages from the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT

FAULTS = """
import resource, sys, torch
from pepland_model.run.host_memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def layers():
    x = torch.ones(60_000, 300)
    for _ in range(6):
        x = (x + 1).relu()
for _ in range(3):
    layers()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    layers()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", FAULTS, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the switch is one of glibc")
def test_kept_memory_needs_hardly_any_new_pages() -> None:
    """The heap may grow by a block or two more, as small ones come to lie between large ones."""
    assert faults("keep") * 20 < faults("give back")
