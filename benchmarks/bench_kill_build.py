"""Does a build that is killed end with the bytes of an undisturbed one?

Two campaigns. At steps: the command is killed right before each call that changes the file system
(`benchmarks.common.kill_steps`), for building, with duplicates taken out, into Zarr, appending and
merging; then the same commands from outside at random moments. As a user would: ``pepland-data
build`` with two workers gets SIGKILL, half of the times anywhere, half of the times after it has
begun to commit. Each time the same command then runs to its end.
What was found after each kill and whether the store is identical is in the table. Not measured: a
machine that loses power, where what the disk acknowledged but did not keep is lost.
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
from benchmarks.common.kill_steps import SCENARIOS, files_of, state
from pepland_data.inputs.synthetic import SynthOptions, write_peptides

PROGRAM = [sys.executable, "-c", "from pepland_cli.data import main; main()", "build"]
PEPTIDES, PER_SHARD = 1200, 30


def at_steps(every: int, moments: int, scratch: str | None) -> list[dict[str, Any]]:
    """Return one row a kill of all scenarios, at steps and at random moments."""
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
    return f"{len(rows)} kills, {identical} identical afterwards"


def start(source: Path, folder: Path) -> subprocess.Popen[bytes]:
    flags = [str(source), "--out", str(folder / "out"), "--workers", "2"]
    return subprocess.Popen(
        [*PROGRAM, *flags, "--rows-per-shard", str(PER_SHARD)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def wait_until(process: subprocess.Popen[bytes], there: Callable[[], bool]) -> None:
    while process.poll() is None and not there():
        time.sleep(0.002)


def kill_once(source: Path, folder: Path, kind: str, delay_s: float) -> dict[str, Any]:
    """Kill a build at a moment, run it again, and say what happened."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    process = start(source, folder)
    first = ".build/lock" if kind == "any" else "tables/atom.arrow"
    wait_until(process, (folder / "out" / first).exists)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    code = process.wait()
    found, again = state(folder), start(source, folder).wait()
    after = {"any": "start", "commit": "first commit step"}[kind]
    return {"after": after, "delay_s": round(delay_s, 3), "killed": code == -signal.SIGKILL,
            "found": found, "again": again}  # fmt: skip


def at_random(kills: int, scratch: Path) -> list[dict[str, Any]]:
    """Return one row a kill at random moments."""
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
@click.option("--kills", default=60, show_default=True, help="Of the command with two workers.")
@click.option("--moments", default=12, show_default=True, help="Random ones in each scenario.")
@click.option("--scratch", help="Folder to work in [temporary]; in memory it is quicker.")
@click.option("--every", default=1, show_default=True, help="Kill at every so-many-th step.")
@click.option("--quick", is_flag=True, help="Six random kills, every 40th step.")
def main(kills: int, every: int, moments: int, scratch: str | None, quick: bool) -> None:
    """Kill builds and compare."""
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
    """Return one line for kills in a row that found the same."""
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
