"""What a manifest may say: types, ranges, names of files, and numbers that must agree.

A right checksum shows that no bit flipped, not that an honest program wrote the file. Everything in
a manifest is therefore checked here, once, before any of it is used as a path, a size or a number.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from pepland_data.files.json_forms import (
    NAME,
    any_text,
    both,
    flag,
    items,
    maybe,
    one_of,
    pattern,
    real,
    record,
    settings,
    sha256_hex,
    text,
    whole,
)
from pepland_data.graph.columns import GROUPS

FORMAT = "pepland-data"
MANIFEST_FILE = "manifest.json"
BUILD_FOLDER = ".build"
REJECTS = "rejects.parquet"
NOTES = "notes.parquet"
"""Rows that standardization changed or that RDKit warned about; no file if there are none."""
SIZES_FILE = "sizes.arrow"
TABLE_FILES = ("tables/atom.arrow", "tables/bond.arrow", "tables/fragment.arrow")
FIXED_COLUMNS = ("row_id", "smiles", *(f"{group}s" for group in GROUPS))
NEEDED = {"arrow": (*TABLE_FILES, SIZES_FILE, REJECTS), "zarr": ("graphs.zarr/zarr.json", REJECTS)}
"""Kind -> files without which there is no store."""

inner_file = pattern(
    rf"(?!splits/|{MANIFEST_FILE}$)(?:{NAME}/)*{NAME}",
    "a path inside the store, so do not use this store",
)
"""A file that the manifest may list: plain names, in the store, and neither split nor manifest."""

LIKE_COUNTS = ("rows", "rejects", "same", "near")
ENTRY = record({"file": inner_file, "rows": whole(), "bytes": whole(), "sha256": sha256_hex})
INPUT = {"name": any_text, "rows": whole(), "sha256": sha256_hex}
LIKE = {"name": any_text, "sha256": sha256_hex, **dict.fromkeys(LIKE_COUNTS, whole())}
EXCLUDED = record({"like": items(record(LIKE), 1), "threshold": maybe(real)})
"""What `pepland-data exclude` took out of a store."""
PART = {"part": text, "first_row": whole(), "of_rows": whole()}
MORE = {**PART, "excluded": items(EXCLUDED, 1)}
NEEDED_OPTIONS = {"cut": text, "rows_per_shard": whole(1), "smiles_column": maybe(text)}
OPTIONS = {
    "input_format": text, "max_atoms": whole(), "standardize": flag, "dedup": flag,
    "time_limit": real, "keep_index": flag, "lowercase": text, "add": items(text, 1),
    "monomers": items(record({"name": text, "sha256": sha256_hex}), 1),
}  # fmt: skip
COUNTS = ("rows", "graphs", "rejects", *(f"{group}s" for group in GROUPS))
DTYPES = {
    name: one_of("uint8", "uint16", "uint32", "uint64") for n in GROUPS.values() for name in n
}

HEAD = record({"format": one_of(FORMAT), "format_version": whole(), "kind": text})
"""What a manifest of every format version holds."""
MANIFEST = record(
    {
        "versions": both(settings, record({"rdkit": text, "featurizer": text})),
        "options": both(settings, record(NEEDED_OPTIONS, OPTIONS)),
        "input": both(
            settings,
            record(INPUT, {**MORE, "parts": items(record(INPUT, MORE), 1)}),
        ),
        "counts": record(dict.fromkeys(COUNTS, whole())),
        "columns": items(text),
        "dtypes": record(DTYPES),
        "files": items(ENTRY),
        "shards": items(ENTRY),
    }
)
"""What a manifest of format 1 holds; other names are those of a later release."""


def manifest_contradiction(body: dict[str, Any]) -> str | None:
    """Return what cannot be true of a manifest of the right form, None if nothing is wrong."""
    counts, kind = body["counts"], body["kind"]
    small = [entry["file"] for entry in body["files"]]
    files = Counter([*small, *(entry["file"] for entry in body["shards"])])
    rows = sum(entry["rows"] for entry in body["shards"])
    columns = body["columns"]
    if missing := [name for name in NEEDED[kind] if name not in small]:
        return f"it does not list {missing[0]}"
    if len(files) < files.total():
        return f"it lists {files.most_common(1)[0][0]} twice"
    if counts["rows"] != counts["graphs"] + counts["rejects"]:
        return f"{counts['graphs']} graphs and {counts['rejects']} rejects of {counts['rows']} rows"
    rejects = next(entry["rows"] for entry in body["files"] if entry["file"] == REJECTS)
    if rejects != counts["rejects"]:
        return f"{REJECTS} has {rejects} rows, expected {counts['rejects']}"
    if kind == "arrow" and rows != counts["graphs"]:
        return f"its shards have {rows} rows, expected {counts['graphs']}, one per graph"
    if len(set(columns)) < len(columns) or not set(columns).isdisjoint(FIXED_COLUMNS):
        return "a column has the name of another one"
    inputs = [body["input"], *body["input"].get("parts", [])]
    if any(0 < len(PART.keys() & one.keys()) < len(PART) for one in inputs):
        return f"input has only some of {', '.join(PART)}"
    if unknown := sorted(set(body["dtypes"]) - set(DTYPES)):
        return f"dtypes names {unknown[0][:40]!a}, which is no code or index"
    return None
