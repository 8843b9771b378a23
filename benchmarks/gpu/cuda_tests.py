"""The tests marked ``cuda``, as ``make test-gpu`` runs them, in a process of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.budget import Budget

ROOT = Path(__file__).resolve().parents[2]
MARK = "@pytest.mark.cuda"
KINDS = ("passed", "failed", "skipped", "errors", "error", "deselected")


def cuda_tests(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return how many tests passed, failed and were skipped, and which failed."""
    if not bench.cuda:
        return {"skipped": "the device is a CPU"}
    found = sorted(p for p in (ROOT / "tests").rglob("test_*.py") if MARK in p.read_text("utf-8"))
    files = [str(path.relative_to(ROOT)) for path in found]
    command = [sys.executable, "-m", "pytest", "-m", "cuda", "-rfE", "--tb=line",
               "--continue-on-collection-errors", *files[: bench.count(len(files), 1)]]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=budget.left
        )
    except subprocess.TimeoutExpired as stopped:
        said = stopped.stdout or b""
        text = said.decode() if isinstance(said, bytes) else said
        return {"stopped": f"after {budget.seconds:.0f} s", "said": text.splitlines()[-5:]}
    return told(done.stdout) | {"returncode": done.returncode, "errors_said": done.stderr[-500:]}


def told(output: str) -> dict[str, Any]:
    """Return counts and names of failures from the output of pytest."""
    lines = output.splitlines()
    last = next((line for line in reversed(lines) if re.search(r"\d+ \w+.* in [\d.]+s", line)), "")
    counts = {kind: int(n) for n, kind in re.findall(r"(\d+) (\w+)", last) if kind in KINDS}
    failures = [line[:300] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return {**counts, "failures": failures, "summary": last}
