"""The tests marked ``cuda``, as ``make test-gpu`` runs them, in several processes side by side."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.budget import Budget

ROOT = Path(__file__).resolve().parents[2]
MARK = "@pytest.mark.cuda"
KINDS = ("passed", "failed", "skipped", "errors", "error")
SUMMARY = re.compile(r"\d+ \w+.* in [\d.]+s")
"""In the last line of pytest."""
PROCESSES = min(6, max(1, (os.cpu_count() or 1) // 2))
"""Tests wait for compilers and for the host more than for the device."""


def cuda_tests(bench: Bench, budget: Budget) -> dict[str, Any]:
    """Return how many tests passed, failed and were skipped, and which failed."""
    if not bench.cuda:
        return {"skipped": "the device is a CPU"}
    found = sorted(p for p in (ROOT / "tests").rglob("test_*.py") if MARK in p.read_text("utf-8"))
    files = [str(path.relative_to(ROOT)) for path in found][: bench.count(len(found), 1)]
    listed = run_pytest(["--collect-only", "-q", "-o", "addopts=", *files], budget)
    tests = [line for line in listed.splitlines() if "::" in line and not line.startswith("ERROR")]
    shares = [tests[first::PROCESSES] for first in range(min(PROCESSES, len(tests)))]
    with ThreadPoolExecutor(PROCESSES) as pool:
        said = pool.map(lambda share: run_pytest(["-rfE", "--tb=line", *share], budget), shares)
        return told([listed, *said]) | {"tests": len(tests), "processes": len(shares)}


def run_pytest(arguments: Sequence[str], budget: Budget) -> str:
    """Return what pytest prints of tests marked ``cuda``, as far as it comes in its time."""
    command = [sys.executable, "-m", "pytest", "-m", "cuda", *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=budget.left
        )
    except subprocess.TimeoutExpired as stopped:
        said = stopped.stdout or b""
        text = said.decode() if isinstance(said, bytes) else said
        return f"{text}\nERROR stopped after {budget.seconds:.0f} s"
    if SUMMARY.search(done.stdout):
        return done.stdout
    last = " ".join((done.stdout + done.stderr).split())[-200:]
    return f"{done.stdout}\nERROR pytest ended with {done.returncode}: {last}"


def told(outputs: Sequence[str]) -> dict[str, Any]:
    """Return counts and names of failures from what several runs of pytest printed."""
    lines = [line for output in outputs for line in output.splitlines()]
    summaries = [line for line in lines if SUMMARY.search(line)]
    counts: dict[str, int] = {}
    for number, kind in re.findall(r"(\d+) (\w+)", "\n".join(summaries)):
        if kind in KINDS:
            counts[kind] = counts.get(kind, 0) + int(number)
    failures = [line[:300] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return {**counts, "failures": failures, "summaries": summaries}
