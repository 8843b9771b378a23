"""The tests for a GPU run in a checkout that is not installed."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.helpers.bare_checkout import HIDE, UNINSTALL
from tests.helpers.paths import ROOT

CHECK = """
try:
    import pepland_cli
except ModuleNotFoundError:
    print("not installed")
"""
COLLECT = """
import pytest
raise SystemExit(pytest.main(sys.argv[1:]))
"""


def test_all_tests_for_a_gpu_can_be_collected() -> None:
    tests = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py"))
             if "@pytest.mark.cuda\n" in path.read_text()]  # fmt: skip
    assert len(tests) >= 5
    collect = ["--collect-only", "-m", "cuda", "-p", "no:cacheprovider", *tests]
    command = [sys.executable, "-c", HIDE + UNINSTALL + CHECK + COLLECT, *collect]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=alone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("not installed")
    for name in ("test_cuda.py", "test_graph_loader.py", "test_meter.py"):
        assert name in done.stdout
