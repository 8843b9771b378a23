"""Write the calibration that ships with the package, from the result of ``bench_gpu`` on an H100.

python -m benchmarks.estimate.calibration

Run it with the program that was measured: the work of its steps is counted once, and kept in the
result. Later programs that do less work are then estimated to take less time.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common.record import RESULTS
from pepland_data.files.atomic import write_atomic_bytes
from pepland_model.estimate.calibration import SHIPPED, Calibration, to_keep, works_of
from pepland_model.estimate.cards import cards
from pepland_model.estimate.corpus import Corpus, sample_store
from pepland_model.run.config import ModelConfig

SOURCE = RESULTS / "gpu-h100.json"
STEP = ("kind", "states", "precision", "batch", "ms", "peptides_per_s", "peak_gib", "reserved_gib",
        "sizes", "counted")  # fmt: skip
FEED = ("batch", "tier", "precision", "peptides_per_s", "ms")


def short(document: dict[str, Any]) -> dict[str, Any]:
    """Return what an estimate reads of a result."""
    results = document["results"]
    steps = [
        {name: row[name] for name in STEP if name in row}
        for row in results["steps"]["found"] if "ms" in row
    ]  # fmt: skip
    feeds = [
        {name: row[name] for name in FEED}
        for row in results["end_to_end"]["found"]["rows"] if "ms" in row
    ]  # fmt: skip
    kept = {"card": results["card"], "store": results["store"], "steps": {"found": steps},
            "end_to_end": {"found": {"rows": feeds}}}  # fmt: skip
    return {key: document[key] for key in ("versions", "command", "date")} | {"results": kept}


def with_shares(document: dict[str, Any]) -> dict[str, Any]:
    """Return a short result with the shares that are fitted to it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "short.json").write_text(json.dumps(document), encoding="utf-8")
        corpus = Corpus([sample_store(folder)], ModelConfig())
        fitted = Calibration.read(folder / "short.json", cards(), corpus)
    return document | {"results": document["results"] | {"shares": fitted.document()}}


def count(document: dict[str, Any]) -> None:
    """Add what they do to the measured steps of a result that lack it."""
    rows = [row for row in document["results"]["steps"]["found"] if "sizes" in row and "ms" in row]
    with tempfile.TemporaryDirectory() as scratch:
        works = works_of(rows, Corpus([sample_store(Path(scratch))], ModelConfig()))
    for row, work in zip(rows, works, strict=True):
        row["counted"] = to_keep(work)


def main() -> None:
    """Write the file."""
    source = json.loads(SOURCE.read_text(encoding="utf-8"))
    count(source)
    write_atomic_bytes(SOURCE, (json.dumps(source, indent=2) + "\n").encode())
    document = with_shares(short(source))
    write_atomic_bytes(SHIPPED, (json.dumps(document, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
