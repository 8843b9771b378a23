"""What one task of a build does: a chunk of texts becomes a local shard on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pepland_data.arrow_format import (
    ShardData,
    read_arrow_shard,
    write_arrow_shard,
    write_batch,
    write_tables,
)
from pepland_data.atomic import file_sha256, write_atomic_bytes
from pepland_data.columns import GROUPS, compact
from pepland_data.featurizer import FeaturizeOptions, Featurizer, Reject
from pepland_data.inputs import Chunk
from pepland_data.tables import Recode

DONE_FILE = "done.json"
SHARD_FILE = "shard.arrow"
REJECTS_FILE = "rejects.arrow"
LOCAL_DTYPES = {name: "uint32" for names in GROUPS.values() for name in names}

_FEATURIZERS: dict[FeaturizeOptions, Featurizer] = {}


@dataclass(frozen=True)
class ShardSummary:
    """The few numbers a task returns."""

    number: int
    """Number of the chunk."""
    first_row: int
    rows: int
    graphs: int
    rejects: dict[str, int]
    """``stage: reason`` -> rows, for the summary on screen."""
    largest: dict[str, int]
    """Largest value of each index column."""
    column_kinds: dict[str, str]
    """Pass-through column -> narrowest of ``int``, ``float``, ``text``, ``typed`` that fits."""
    files: dict[str, str]
    """File -> SHA-256."""


def convert_chunk(
    number: int, chunk: Chunk, options: FeaturizeOptions, folder: Path
) -> ShardSummary:
    """Featurize a chunk and write it, its tables and its rejects under ``folder/<number>``.

    The last file written tells that the others are whole.
    """
    target = folder / f"{number:06d}"
    target.mkdir(parents=True, exist_ok=True)
    featurizer = _FEATURIZERS.setdefault(options, Featurizer(options))
    good = [i for i in range(len(chunk)) if i not in chunk.problems]
    converted = featurizer.convert([chunk.texts[i] for i in good])
    # Only rows this chunk uses: what else the process has met must not reach the store.
    columns, tables = compact(converted.columns, converted.tables)
    places = np.asarray(good, np.int64)[converted.kept]
    rejects = [
        *(Reject(i, chunk.texts[i], "read", why) for i, why in chunk.problems.items()),
        *(Reject(good[r.position], r.text, r.stage, r.reason) for r in converted.rejects),
    ]
    data = ShardData(
        columns,
        places + chunk.first_row,
        pa.array([chunk.texts[i] for i in places], pa.large_string()),
        {name: _extra(values, places) for name, values in chunk.extra.items()},
    )
    write_arrow_shard(target / SHARD_FILE, data, LOCAL_DTYPES)
    write_tables(target, tables)
    write_batch(target / REJECTS_FILE, reject_batch(rejects, chunk.first_row))
    return _finish(target, number, chunk, data, rejects)


def _extra(values: Any, places: Any) -> Any:
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.large_string())
    return array.take(pa.array(places))


def reject_batch(rejects: list[Reject], first_row: int) -> Any:
    """Return rejects as a record batch: row_id, text, stage, reason, in row order."""
    ordered = sorted(rejects, key=lambda r: r.position)
    text = pa.large_string()
    return pa.record_batch(
        {
            "row_id": pa.array([first_row + r.position for r in ordered], pa.int64()),
            "text": pa.array([r.text.encode("utf-8", "replace").decode() for r in ordered], text),
            "stage": pa.array([r.stage for r in ordered], text),
            "reason": pa.array([r.reason for r in ordered], text),
        }
    )


def _finish(
    target: Path, number: int, chunk: Chunk, data: ShardData, rejects: list[Reject]
) -> ShardSummary:
    counts: dict[str, int] = {}
    for reject in rejects:
        key = f"{reject.stage}: {reject.reason.partition(': ')[0]}"
        counts[key] = counts.get(key, 0) + 1
    top = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20])
    top_rest = len(rejects) - sum(top.values())
    if top_rest:
        top["other reasons"] = top_rest
    names = [SHARD_FILE, REJECTS_FILE, *(f"tables/{t}.arrow" for t in ("atom", "bond", "fragment"))]
    index_names = [n for names in GROUPS.values() for n in names if not n.endswith("_code")]
    summary = ShardSummary(
        number=number,
        first_row=chunk.first_row,
        rows=len(chunk),
        graphs=len(data.columns),
        rejects=top,
        largest={n: int(getattr(data.columns, n).max(initial=0)) for n in index_names},
        column_kinds={n: column_kind(a) for n, a in data.extra.items()},
        files={name: file_sha256(target / name) for name in names},
    )
    write_atomic_bytes(target / DONE_FILE, json.dumps(vars(summary)).encode())
    return summary


def finished(folder: Path, number: int) -> ShardSummary | None:
    """Return the summary of a finished task after checking its files, else None."""
    target = folder / f"{number:06d}"
    try:
        summary = ShardSummary(**json.loads((target / DONE_FILE).read_bytes()))
        whole = all(file_sha256(target / f) == want for f, want in summary.files.items())
    except (OSError, ValueError, TypeError):
        return None
    return summary if whole else None


def column_kind(array: Any) -> str:
    """Return what a pass-through column of text could be: ``int``, ``float`` or ``text``."""
    if array.type != pa.large_string():
        return "typed"
    for kind, target in (("int", pa.int64()), ("float", pa.float64())):
        try:
            array.cast(target)
        except pa.ArrowInvalid:
            continue
        return kind
    return "text"


def recode_chunk(
    number: int,
    folder: Path,
    target: Path,
    recode: Recode,
    dtypes: dict[str, str],
    kinds: dict[str, str],
) -> dict[str, Any]:
    """Rewrite a local shard with the store's codes, dtypes and column types; return its sizes."""
    local = read_arrow_shard(folder / f"{number:06d}" / SHARD_FILE)
    columns = local.columns.recode(recode)
    types = {"int": pa.int64(), "float": pa.float64()}
    extra = {n: a.cast(types[kinds[n]]) if kinds[n] in types else a for n, a in local.extra.items()}
    write_arrow_shard(target, ShardData(columns, local.row_id, local.smiles, extra), dtypes)
    return {f"num_{group}s": columns.sizes(group) for group in GROUPS}
