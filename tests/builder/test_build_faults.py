"""Full disks, missing permissions and Ctrl-C: one-line errors, and a resumed build."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from tests.helpers.commands import PROGRAM, cli, wait_for
from tests.helpers.stores import files_of

BUILD = [*PROGRAM, "build"]


def allowed(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


mounts = pytest.mark.skipif(
    not allowed("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"),
    reason="file systems cannot be mounted here",
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "in.csv"
    write_peptides(path, SynthOptions(400, 1))
    return path


def flags(source: Path, out: Path, workers: int = 1) -> list[str]:
    more = ["--rows-per-shard", "40", "--workers", str(workers)]
    return [str(source), "--out", str(out), *more]


@pytest.fixture(scope="module")
def whole(source: Path) -> dict[str, bytes]:
    assert cli("build", *flags(source, source.parent / "whole")).returncode == 0
    return files_of(source.parent / "whole")


SCRIPT = """
set -u
mount -t tmpfs -o size={size} tmpfs {disk}
{build} ; echo "first $?"
mount -o remount,{then} {disk}
{build} ; echo "second $?"
mount -o remount,size=64m,rw {disk}
{build} ; echo "third $?"
cp -r {disk}/out {saved}
"""


def on_small_disk(tmp_path: Path, source: Path, size: str, then: str) -> list[str]:
    """Build on a small disk, after a remount with `then`, and with space; return the messages."""
    disk, saved = tmp_path / "disk", tmp_path / "saved"
    disk.mkdir()
    build = " ".join(f"'{word}'" for word in [*BUILD, *flags(source, disk / "out")])
    script = SCRIPT.format(size=size, disk=disk, build=build, then=then, saved=saved)
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.replace("\r", "\n").splitlines()
    return [line for line in lines if line.startswith(("error:", "first", "second", "third", "Tr"))]


@mounts
@pytest.mark.parametrize("size", ["100k", "400k", "1000k", "1300k"])
def test_a_full_disk_is_a_one_line_error_and_the_build_is_resumed(
    tmp_path: Path, source: Path, whole: dict[str, bytes], size: str
) -> None:
    said = on_small_disk(tmp_path, source, size, f"size={size}")
    assert [line for line in said if not line.startswith("error")] == [
        "first 1", "second 1", "third 0",
    ]  # fmt: skip
    errors = [line for line in said if line.startswith("error")]
    assert len(errors) == 2
    assert all("No space left on device; free some space and run" in line for line in errors)
    assert files_of(tmp_path / "saved") == whole


@mounts
def test_a_disk_that_becomes_read_only_is_a_one_line_error(
    tmp_path: Path, source: Path, whole: dict[str, bytes]
) -> None:
    said = on_small_disk(tmp_path, source, "400k", "ro")
    assert said[1] == "first 1"
    assert "Read-only file system; the disk is read-only" in said[2]
    assert said[3:] == ["second 1", "third 0"]
    assert files_of(tmp_path / "saved") == whole


@pytest.mark.skipif(
    os.name != "posix" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="root may write everywhere, and its rights cannot be dropped here",
)
@pytest.mark.parametrize("place", ["", ".build", "shards"])
def test_missing_write_permission_is_a_one_line_error(
    tmp_path: Path, source: Path, whole: dict[str, bytes], place: str
) -> None:
    out = tmp_path / "out"
    for folder in (out / ".build", out / "shards"):
        folder.mkdir(parents=True)
    (out / place).chmod(0o555)
    drop = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    done = subprocess.run([*drop, *BUILD, *flags(source, out)], capture_output=True, check=False)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith(b"error")]
    assert len(errors) == 1
    assert b"Permission denied; check the permissions" in errors[0]
    assert b"Traceback" not in done.stderr
    (out / place).chmod(0o755)
    assert cli("build", *flags(source, out)).returncode == 0
    assert files_of(out) == whole


SENTENCES = {
    signal.SIGINT: b"error: interrupted; run the same command again to resume",
    signal.SIGTERM: b"error: ended by SIGTERM; run the same command again to resume",
    signal.SIGHUP: b"error: ended by SIGHUP; run the same command again to resume",
}


def heard() -> None:
    """Let a process hear Ctrl-C, also where the tests run in the background of a script."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize(
    ("workers", "number"),
    [(1, signal.SIGINT), (1, signal.SIGTERM), (2, signal.SIGINT), (2, signal.SIGTERM),
     (2, signal.SIGHUP)],
)  # fmt: skip
def test_a_signal_ends_a_build_within_seconds_and_leaves_nothing(
    tmp_path: Path, source: Path, whole: dict[str, bytes], workers: int, group: bool,
    number: signal.Signals,
) -> None:  # fmt: skip
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [*BUILD, *flags(source, out, workers)], env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=heard,
    )  # fmt: skip
    wait_for(lambda: list(out.glob(".build/*/done.json")))
    below = psutil.Process(process.pid).children(recursive=True)
    begin = time.monotonic()
    if group:  # as a terminal does, and some schedulers
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - begin < 8
    if process.returncode == 0:
        pytest.skip("the build was done before the signal came")
    assert process.returncode == 128 + number
    assert SENTENCES[number] in said
    assert b"Traceback" not in said
    assert b"leaked" not in said
    assert not psutil.wait_procs(below, timeout=5)[1]
    assert not list(temporary.iterdir())
    of_process = re.compile(rf"(?<![0-9a-f]){process.pid}(?![0-9a-f])")
    assert not [path for path in Path("/dev/shm").glob("*") if of_process.search(path.name)]
    assert cli("build", *flags(source, out)).returncode == 0
    assert files_of(out) == whole
