"""Run ``pepland-data`` in a test: in this process, or as a command that can be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from click.testing import CliRunner

PROGRAM = [sys.executable, "-c", "from pepland_cli.data import main; main()"]
"""The command, for tests that need a process of its own."""


@dataclass(frozen=True)
class CommandResult:
    """What a command wrote, and its exit code, as `subprocess.run` names them."""

    returncode: int
    stdout: bytes
    stderr: bytes


def cli(*arguments: str, stdin: bytes | None = None) -> CommandResult:
    """Run ``pepland-data`` in this process; an unexpected error is raised."""
    from pepland_cli.data import main

    done = CliRunner().invoke(main, arguments, input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return CommandResult(done.exit_code, done.stdout_bytes, done.stderr_bytes)


def cli_process(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``pepland-data`` in a process of its own, which reads the environment anew."""
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, check=False)


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail after so many seconds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
