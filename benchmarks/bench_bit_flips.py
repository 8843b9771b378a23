"""Is every flipped bit found, and does none end the process?

A store with rejects, notes, splits and several shards is built in each format. At each of N random
places (a kind of file, a file, a byte, a bit) one bit is flipped. A separate process then runs
``verify`` and reads every graph. Found means that verify reports damage. Crashed means that the
process died or raised another error than StoreError. Not measured: two flips at once, and bits that
flip in memory.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import click

from benchmarks.common import record
from pepland_data import BuildOptions, build
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.errors import StoreError
from pepland_data.inputs.synthetic import SynthOptions, peptides
from pepland_data.store.graph_store import open_store
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import write_split
from pepland_data.store.verify import verify

FOUND, READ, CRASHED = 1, 2, 4


def kind_of(file: str) -> str:
    """Return the kind of a file of a store."""
    if file.startswith(("shards/", "tables/", "splits/")):
        return file.partition("/")[0]
    return "Zarr objects" if "/" in file or file.startswith("zarr") else file


def make_store(folder: Path, form: str) -> Path:
    """Build a store that has every kind of file."""
    made = [m.text("smiles") for m in peptides(SynthOptions(120, 3))]
    made[10], made[50] = "broken(", made[50] + ".Cl"
    lines = [f"{text},{i / 4}\n" for i, text in enumerate(made)]
    (folder / "in.csv").write_text("smiles,affinity\n" + "".join(lines))
    options = BuildOptions(FeaturizeOptions(standardize=True), rows_per_shard=40, format=form)
    build(folder / "in.csv", folder / form, options)
    store = open_store(folder / form)
    write_split(store, make_split(store, "random"))
    write_split(store, make_split(store, "similarity", name="near"))
    return folder / form


def look(store: Path) -> int:
    """Return flags: whether verify finds damage, and whether all graphs can be read."""
    outcome = 0 if verify(store).sound else FOUND
    try:
        for graph in open_store(store):
            graph.dense()
        outcome |= READ
    except StoreError:
        pass
    return outcome


def forked(store: Path) -> int:
    """Return the result of `look` in a child process, CRASHED if the process dies."""
    child = os.fork()
    if child == 0:
        code = CRASHED
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            code = look(store)
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else CRASHED


def flips(store: Path, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Flip bits one at a time and return one row each."""
    chance, rows = random.Random(seed), []
    files: dict[str, list[Path]] = {}
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        files.setdefault(kind_of(path.relative_to(store).as_posix()), []).append(path)
    kinds = sorted(files)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        path = chance.choice([p for p in files[kind] if p.stat().st_size])
        whole = path.read_bytes()
        place, bit = chance.randrange(len(whole)), chance.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
        outcome = forked(store)
        path.write_bytes(whole)
        rows.append({"kind": kind, "file": path.relative_to(store).as_posix(), "byte": place,
                     "bit": bit, "outcome": outcome})  # fmt: skip
    return rows


def table(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Return counts by kind of file."""
    counts = {kind: Counter[str]() for kind in sorted({row["kind"] for row in rows})}
    for row in rows:
        one, outcome = counts[row["kind"]], row["outcome"]
        one["flips"] += 1
        one["found by verify"] += bool(outcome & FOUND)
        one["crashed"] += bool(outcome & CRASHED)
        one["graphs still readable"] += bool(outcome & READ)
    return {kind: dict(one) for kind, one in counts.items()}


@click.command()
@click.option("--count", default=2000, show_default=True, help="Flips in each format.")
@click.option("--quick", is_flag=True, help="100 flips in each format.")
def main(count: int, quick: bool) -> None:
    """Flip bits and check whether verify finds them."""
    results: dict[str, Any] = {}
    for form in ("arrow", "zarr"):
        with tempfile.TemporaryDirectory() as folder:
            store = make_store(Path(folder), form)
            size = sum(p.stat().st_size for p in store.rglob("*") if p.is_file())
            rows = flips(store, 100 if quick else count)
            assert verify(store).sound
            shutil.rmtree(store)
        found = sum(bool(row["outcome"] & FOUND) for row in rows)
        crashed = sum(bool(row["outcome"] & CRASHED) for row in rows)
        missed = [row for row in rows if not row["outcome"] & FOUND]
        results[form] = {"flips": len(rows), "found": found, "crashed": crashed,
                         "store_bytes": size, "by_kind": table(rows), "missed": missed}  # fmt: skip
        click.echo(f"{form}: {found} of {len(rows)} found, {crashed} crashed", err=True)
    click.echo(str(record.save(record.named("bit_flips", quick), results)))


if __name__ == "__main__":
    main()
