"""Does a build that is killed end with the bytes of an undisturbed one?

There are two series. In the first, a command is killed directly before each call that changes the
file system (`benchmarks.common.kill_steps`): build, build with --dedup, build to Zarr, append and
merge; then from outside at random moments. In the second, ``pepland-data build`` with two workers
gets SIGKILL, half of the times at any moment, half of the times after it has begun to commit. After
each kill the same command runs to its end. The table holds what each kill left, and whether the
store is identical in the end. Not measured: a power failure, in which a disk may lose what it
acknowledged.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.common import record
from benchmarks.common.commands import PEPLAND_DATA
from benchmarks.common.kill_steps import SCENARIOS, describe, files_of
from pepland_data.inputs.synthetic import SynthOptions, write_peptides

PEPTIDES, PER_SHARD = 1200, 30


def at_steps(every: int, moments: int, scratch: str | None) -> list[dict[str, Any]]:
    """Return one row per kill of all scenarios, at steps and at random moments."""
    rows = []
    for scenario in SCENARIOS:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            arguments = [folder, scenario, str(every), str(moments)]
            program = [sys.executable, "-m", "benchmarks.common.kill_steps", *arguments]
            done = subprocess.run(program, capture_output=True, text=True, check=True)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        click.echo(f"{scenario}: {summary(found)}", err=True)
        rows += found
    return rows


def summary(rows: list[dict[str, Any]]) -> str:
    identical = sum(row["identical"] for row in rows)
    return f"{len(rows)} kills, {identical} identical in the end"


def start(source: Path, folder: Path) -> subprocess.Popen[bytes]:
    arguments = ["build", str(source), "--out", str(folder / "out"), "--workers", "2"]
    return subprocess.Popen(
        [*PEPLAND_DATA, *arguments, "--rows-per-shard", str(PER_SHARD)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def wait_until(process: subprocess.Popen[bytes], there: Callable[[], bool]) -> None:
    while process.poll() is None and not there():
        time.sleep(0.002)


def kill_once(source: Path, folder: Path, kind: str, delay_s: float) -> dict[str, Any]:
    """Kill a build at a moment and run it again; return what happened."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    process = start(source, folder)
    first = ".build/lock" if kind == "any" else "tables/atom.arrow"
    wait_until(process, (folder / "out" / first).exists)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    code = process.wait()
    found, again = describe(folder), start(source, folder).wait()
    after = {"any": "start", "commit": "first commit step"}[kind]
    return {"after": after, "delay_s": round(delay_s, 3), "killed": code == -signal.SIGKILL,
            "found": found, "again": again}  # fmt: skip


def at_random(kills: int, scratch: Path) -> list[dict[str, Any]]:
    """Return one row per kill at random moments."""
    chance, source = random.Random(11), scratch / "in.csv"
    write_peptides(source, SynthOptions(PEPTIDES, 5))
    (scratch / "undisturbed").mkdir()
    process, begin = start(source, scratch / "undisturbed"), time.perf_counter()
    wait_until(process, (scratch / "undisturbed/out/.build/lock").exists)
    waited = time.perf_counter() - begin
    if process.wait():
        raise SystemExit("the undisturbed build failed")
    length = time.perf_counter() - begin - waited
    expected, rows = files_of(scratch / "undisturbed"), []
    for number in range(kills):
        kind, most = (("any", length), ("commit", 0.4))[number % 2]
        row = kill_once(source, scratch / "killed", kind, chance.random() * most)
        row["identical"] = files_of(scratch / "killed") == expected
        click.echo(str(row), err=True)
        rows.append(row)
    return rows


@click.command()
@click.option(
    "--kills", default=60, show_default=True, help="Kills of the command with two workers."
)
@click.option("--moments", default=12, show_default=True, help="Random ones per scenario.")
@click.option("--scratch", help="Folder to work in [temporary]; a folder in memory is faster.")
@click.option(
    "--every",
    default=1,
    show_default=True,
    help="1 kills at every step, 2 at every second step, and so on.",
)
@click.option("--quick", is_flag=True, help="Six random kills, every 40th step.")
def main(kills: int, every: int, moments: int, scratch: str | None, quick: bool) -> None:
    """Kill builds, compare, and write benchmarks/results/kill_build.json."""
    kills, every, moments = (6, 40, 2) if quick else (kills, every, moments)
    inside = at_steps(every, moments, scratch)
    steps = [row for row in inside if "step" in row]
    random_ones = [row for row in inside if "step" not in row]
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        outside = at_random(kills, Path(folder))
    rows = [*inside, *outside]
    result = {
        "kills": len(rows), "identical": sum(row["identical"] for row in rows),
        "damaged_when_found": sum("DAMAGED" in row["found"] for row in rows),
        "found": dict(Counter(row["found"].partition(",")[0] for row in rows)),
        "random_moments": {"kills": len(random_ones), "table": random_ones},
        "command": {"kills": kills, "peptides": PEPTIDES, "workers": 2, "table": outside},
        "steps": compressed(steps),
    }  # fmt: skip
    click.echo(f"{summary(rows)}: {record.save(record.named('kill_build', quick), result)}")


def compressed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for consecutive kills with the same result."""
    table: list[dict[str, Any]] = []
    for row in rows:
        last = table[-1] if table else {}
        same = all(last.get(k) == row[k] for k in ("scenario", "found", "identical"))
        if same:
            last["to_step"], last["kills"] = row["step"], last["kills"] + 1
        else:
            table.append({"scenario": row["scenario"], "from_step": row["step"],
                          "to_step": row["step"], "of": row["of"], "kills": 1,
                          "first_before": f"{row['before']} {row['file']}", "found": row["found"],
                          "identical": row["identical"]})  # fmt: skip
    return table


if __name__ == "__main__":
    main()
