"""Kill a command at every step it takes on the file system, and run it again.

A step is a call that makes, renames, flushes or deletes a file or folder. The steps of an
undisturbed run are counted. Then, for each k, a new process runs the same command and kills itself
with SIGKILL directly before step k. Further processes are killed from outside at random moments.
After each kill the files are checked, the command runs again to its end, and the result is compared
byte for byte. All processes are forked from one that has imported everything, and they convert
molecules without workers, so that hundreds of kills take seconds.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pepland_data.builder.workers.convert_chunk
from pepland_data import BuildOptions, build
from pepland_data.builder.append import append
from pepland_data.builder.merge import merge
from pepland_data.chem.featurizer import FeaturizeOptions, Featurizer
from pepland_data.errors import StoreError
from pepland_data.graph.columns import compact
from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from pepland_data.store.graph_store import open_store
from pepland_data.store.verify import verify

CALLS = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir")
ROWS, PER_SHARD = 24, 5
Action = Callable[[Path], object]


class InProcess:
    """Replaces `IsolatedFeaturizer`: molecules are converted in the build process."""

    def __init__(self, options: FeaturizeOptions) -> None:
        self._featurizer = Featurizer(options)
        self.cache_counts: Counter[str] = Counter()

    def convert(self, texts: list[str]) -> Any:
        """Convert texts, with the same result as the converting process."""
        converted = self._featurizer.convert(texts)
        columns, tables = compact(converted.columns, converted.tables)
        return replace(converted, columns=columns, tables=tables)


def building(folder: Path, **given: Any) -> None:
    """Build from the input in the parent folder."""
    options = BuildOptions(rows_per_shard=PER_SHARD, **given)
    build(folder.parent / "in.csv", folder / "out", options)


def appending(folder: Path) -> None:
    append(folder.parent / "more.csv", folder / "out")


def merging(folder: Path) -> None:
    merge([folder.parent / "one", folder.parent / "two"], folder / "out")


SCENARIOS: dict[str, Action] = {
    "build": building,
    "build --dedup": partial(building, featurize=FeaturizeOptions(dedup=True)),
    "build --format zarr": partial(building, format="zarr"),
    "append": appending,
    "merge": merging,
}


def prepare(root: Path, scenario: str) -> Path | None:
    """Write the inputs; return the initial content of the folder of each run, None if empty."""
    write_peptides(root / "in.csv", SynthOptions(ROWS, 1, median_length=5))
    text = (root / "in.csv").read_text().splitlines()
    text[4] = "broken(" + text[4]  # a reject, and a duplicate
    (root / "in.csv").write_text("\n".join([*text, text[2]]) + "\n")
    write_peptides(root / "more.csv", SynthOptions(12, 2, median_length=5))
    options = BuildOptions(rows_per_shard=PER_SHARD)
    if scenario == "merge":
        build(root / "in.csv", root / "one", options)
        build(root / "more.csv", root / "two", options)
    if scenario == "append":
        build(root / "in.csv", root / "before/out", options)
        return root / "before"
    return None


def forked(work: Callable[[], object], after_s: float | None = None) -> int:
    """Run a function in a child process, optionally kill it, and return its wait status."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def counted(action: Action, folder: Path, log: Path, stop: int = -1) -> None:
    """Run an action, write its steps to a log, and kill this process before step `stop`."""
    file = log.open("w", encoding="utf-8")
    count = 0

    def watch(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if count == stop:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            shown = args[-1] if name in ("replace", "rename") else args[0]
            file.write(f"{name} {shown if not isinstance(shown, int) else ''}\n")
            file.flush()
            return plain(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, watch(name, getattr(os, name)))
    action(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def describe(folder: Path) -> str:
    """Return in words what a killed run left."""
    out = folder / "out"
    if not out.exists():
        return "no folder"
    try:
        sound = verify(out).sound
        left = (out / ".build", folder / ".out.append", folder / ".out.merging")
        more = ", work folder left" if any(p.exists() for p in left) else ""
        return (f"a sound store of {len(open_store(out))} graphs" if sound else "DAMAGED") + more
    except StoreError:
        done = len(list(out.glob(".build/*/done.json")))
        shards = len(list(out.glob("**/shards/*.arrow"))) + len(list(out.glob("graphs*")))
        return f"no manifest, {done} chunks, {shards} store shards"


def campaign(
    root: Path, scenario: str, every: int = 1, moments: int = 0
) -> Iterator[dict[str, Any]]:
    """Kill at every `every`-th step, then at random moments, and yield one row per kill."""
    action, before = SCENARIOS[scenario], prepare(root, scenario)
    undisturbed, folder, log = root / "undisturbed", root / "killed", root / "steps"
    fresh(before, undisturbed)
    if forked(partial(counted, action, undisturbed, log)):
        raise SystemExit(f"{scenario}: the undisturbed run failed")
    expected, steps = files_of(undisturbed), log.read_text().splitlines()
    for _ in range(2):  # the second run is faster than the first
        fresh(before, folder)
        begin = time.perf_counter()
        forked(partial(action, folder))
        length = time.perf_counter() - begin

    def outcome(work: Callable[[], object], after_s: float | None = None) -> dict[str, Any]:
        """Run and kill the work, then run the action again; return what happened."""
        fresh(before, folder)
        status, found = forked(work, after_s), describe(folder)
        again = forked(partial(action, folder))
        return {"killed": os.WIFSIGNALED(status), "found": found, "again": again,
                "identical": files_of(folder) == expected}  # fmt: skip

    for stop in range(0, len(steps), every):
        name, _, path = steps[stop].partition(" ")
        yield {
            "scenario": scenario, "step": stop, "of": len(steps), "before": name,
            "file": Path(path).name.partition("-")[0] if ".tmp-" in path else Path(path).name,
            **outcome(partial(counted, action, folder, log, stop)),
        }  # fmt: skip
    chance = random.Random(scenario)
    for _ in range(moments):
        after_s = chance.random() * length
        yield {"scenario": scenario, "after_s": round(after_s, 4),
               **outcome(partial(action, folder), after_s)}  # fmt: skip


def fresh(before: Path | None, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if before:
        shutil.copytree(before, folder)
    else:
        folder.mkdir()


def main() -> None:
    """Print one JSON line per kill; arguments: folder, scenario, every, random moments."""
    root, scenario, every = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    moments = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    pepland_data.builder.workers.convert_chunk.IsolatedFeaturizer = InProcess  # type: ignore[assignment,misc]
    root.mkdir(parents=True, exist_ok=True)
    Featurizer(FeaturizeOptions()).convert(["NCC(=O)NCC(=O)O"])  # imports all modules
    for row in campaign(root, scenario, every, moments):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
