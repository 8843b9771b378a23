"""One task of a build: a chunk of texts becomes a local shard on disk."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pepland_data.builder.column_types import KINDS, column_kind
from pepland_data.builder.workers.engines import versions
from pepland_data.builder.workers.isolation import IsolatedFeaturizer
from pepland_data.chem.added_columns import added_columns
from pepland_data.chem.conversion import Converted, FeaturizeOptions, Note, Reject
from pepland_data.errors import DifferentGraphError, InputError
from pepland_data.files.atomic import file_sha256, unflushed, write_atomic, write_atomic_bytes
from pepland_data.files.json_forms import checked, mapping, one_of, record, sha256_hex, whole
from pepland_data.graph.columns import GROUPS, GraphColumns
from pepland_data.inputs.chunk import Chunk
from pepland_data.inputs.line_block import Block
from pepland_data.store.arrow_arrays import numbers, texts
from pepland_data.store.arrow_shards import (
    TABLE_FILES,
    ShardData,
    write_arrow_shard,
    write_batch,
    write_tables,
)

DONE_FILE = "done.json"
SHARD_FILE = "shard.arrow"
REJECTS_FILE = "rejects.arrow"
NOTES_FILE = "notes.arrow"
IDENTITY_FILE = "identity.npy"
CHUNK_FILES = (SHARD_FILE, REJECTS_FILE, NOTES_FILE, IDENTITY_FILE, *TABLE_FILES)
DIFFERENCE_FILE = "difference.json"
"""In the unfinished build: the row whose graph is not the one that RDKit gives."""
READ_AS_SEQUENCE = "sequence rather than SMILES, by the name of its column"
"""Note on a text that the store keeps as HELM."""
LOCAL_DTYPES = {name: "uint32" for names in GROUPS.values() for name in names}
INDICES = [name for name in LOCAL_DTYPES if not name.endswith("_code")]
SUMMARY = record(
    {
        **dict.fromkeys(("number", "first_row", "rows", "graphs"), whole()),
        **dict.fromkeys(("rejects", "notes", "cache"), mapping(whole())),
        "largest": record(dict.fromkeys(INDICES, whole(0, 2**32 - 1))),
        "column_kinds": mapping(one_of("typed", *KINDS)),
        "files": record(dict.fromkeys(CHUNK_FILES, sha256_hex)),
        **dict.fromkeys(("unique", "resumed"), one_of(False)),
    }
)
"""What ``done.json`` holds."""

_THREAD = threading.local()


@dataclass(frozen=True)
class ShardSummary:
    """Counts of one chunk, which its task returns."""

    number: int
    """Number of the chunk."""
    first_row: int
    rows: int
    graphs: int
    rejects: dict[str, int]
    """``stage: reason`` -> rows, for the printed report."""
    largest: dict[str, int]
    """Largest value of each index column."""
    column_kinds: dict[str, str]
    """Pass-through column -> its kind, see `column_types`."""
    files: dict[str, str]
    """File -> SHA-256, for ``done.json`` only; a task returns an empty dictionary."""
    notes: dict[str, int]
    """``kind: note`` -> rows, for the printed report."""
    cache: dict[str, int]
    """Pieces ``asked`` for, and those ``known`` from earlier texts."""
    unique: bool = False
    """Whether duplicates were removed."""
    resumed: bool = False
    """Whether an earlier run converted it."""

    @property
    def folder(self) -> str:
        """Name of the folder with its files."""
        return f"{self.number:06d}.unique" if self.unique else f"{self.number:06d}"


def convert_chunks(
    blocks: list[tuple[int, Block]], options: FeaturizeOptions, folder: Path
) -> list[ShardSummary]:
    """Convert some numbered blocks; see `convert_chunk`."""
    return [convert_chunk(number, block, options, folder) for number, block in blocks]


def convert_chunk(
    number: int, block: Block, options: FeaturizeOptions, folder: Path
) -> ShardSummary:
    """Convert a block and write its shard, tables, rejects and notes to ``folder/<number>``.

    ``done.json`` is written last, with the checksums of the other files. A chunk with a valid
    ``done.json`` is not converted again.
    """
    if found := finished(folder, number):
        return replace(found, files={}, resumed=True)
    with unflushed():  # the checksums show whether all files reached the disk
        return _convert_new(number, block, options, folder)


def _convert_new(
    number: int, block: Block, options: FeaturizeOptions, folder: Path
) -> ShardSummary:
    target = folder / f"{number:06d}"
    target.mkdir(parents=True, exist_ok=True)
    chunk = block.parse()
    featurizer = _featurizer(options)
    featurizer.cache_counts.clear()
    _check_added(options, chunk)
    good = [i for i in range(len(chunk)) if i not in chunk.problems]
    as_helm = chunk.texts_as_helm(options.input_format)
    try:
        converted = featurizer.convert([as_helm.get(i, chunk.texts[i]) for i in good])
    except DifferentGraphError as error:
        row = chunk.first_row + good[error.position]
        record = {"row_id": row, "text": error.text, "versions": versions()}
        write_atomic_bytes(folder / DIFFERENCE_FILE, json.dumps(record).encode())
        raise
    kept = np.asarray(good, np.int64)[converted.kept]
    renamed = dict(enumerate(chunk.texts)) | as_helm
    renamed |= {good[i]: t for i, t in converted.renamed.items()}
    rejects = [
        *(Reject(i, chunk.texts[i], "read", why) for i, why in chunk.problems.items()),
        *(_in_chunk(r, good[r.position], chunk, as_helm) for r in converted.rejects),
    ]
    notes = [replace(n, position=good[n.position]) for n in converted.notes]
    notes += [Note(i, "changed", chunk.texts[i], READ_AS_SEQUENCE) for i in as_helm]
    noted = [i for i in kept.tolist() if i in chunk.notes]
    notes += [Note(i, "warning", chunk.texts[i], chunk.notes[i]) for i in noted]
    data = ShardData(
        converted.columns,
        kept + chunk.first_row,
        texts([renamed[i] for i in kept.tolist()]),
        {name: _extra(values, kept) for name, values in chunk.extra.items()}
        | _added_columns(options, converted),
    )
    write_arrow_shard(target / SHARD_FILE, data, LOCAL_DTYPES)
    write_tables(target, converted.tables)
    write_batch(target / REJECTS_FILE, reject_batch(rejects, chunk.first_row))
    write_batch(target / NOTES_FILE, note_batch(notes, chunk.first_row))
    write_atomic(target / IDENTITY_FILE, lambda file: np.save(file, converted.identity))
    counts = dict(featurizer.cache_counts)
    return _finish(target, number, chunk, data, rejects, notes, counts, options)


def _check_added(options: FeaturizeOptions, chunk: Chunk) -> None:
    """Refuse a column to add that the input has."""
    if both := [name for name in added_columns(options.add) if name in chunk.extra]:
        raise InputError(
            f"the input has a column {both[0]!r}, so --add cannot make one; rename it, or leave "
            f"out --add {'helm' if both[0] == 'helm' else 'descriptors'}"
        )


def _in_chunk(reject: Reject, position: int, chunk: Chunk, as_helm: dict[int, str]) -> Reject:
    """Return a reject with its position in the chunk and the text of the input."""
    text = chunk.texts[position] if position in as_helm else reject.text
    reason = chunk.reason(position, reject.reason)
    return replace(reject, position=position, text=text, reason=reason)


def _featurizer(options: FeaturizeOptions) -> IsolatedFeaturizer:
    """Return the featurizer of this thread; workers of some clusters run tasks in threads."""
    if getattr(_THREAD, "options", None) != options:
        _THREAD.options, _THREAD.featurizer = options, IsolatedFeaturizer(options)
    featurizer: IsolatedFeaturizer = _THREAD.featurizer
    return featurizer


def _added_columns(options: FeaturizeOptions, converted: Converted) -> dict[str, Any]:
    """Return the columns that were asked for, null where a molecule has no value."""
    found = {}
    for name, kind in added_columns(options.add).items():
        values = [converted.added.get(name, {}).get(i) for i in converted.kept.tolist()]
        found[name] = texts(values) if kind is str else pa.array(values, pa.float64())
    return found


def _extra(values: Any, kept: Any) -> Any:
    if isinstance(values, pa.Array):
        return values.take(numbers(kept))
    return texts([values[i] for i in kept.tolist()])


def reject_batch(rejects: list[Reject], first_row: int) -> Any:
    """Return rejects as a record batch: row_id, text, stage, reason, in row order."""
    ordered = sorted(rejects, key=lambda r: r.position)
    return _row_batch(
        [first_row + r.position for r in ordered],
        text=[r.text for r in ordered],
        stage=[r.stage for r in ordered],
        reason=[r.reason for r in ordered],
    )


def note_batch(notes: list[Note], first_row: int) -> Any:
    """Return notes as a record batch: row_id, kind, text, note, in row order."""
    ordered = sorted(notes, key=lambda n: n.position)
    return _row_batch(
        [first_row + n.position for n in ordered],
        kind=[n.kind for n in ordered],
        text=[n.before for n in ordered],
        note=[n.note for n in ordered],
    )


def _row_batch(rows: list[int], **columns: list[str]) -> Any:
    """Return row numbers and texts as a record batch, without lone surrogates."""
    clean = {n: [t.encode("utf-8", "replace").decode() for t in v] for n, v in columns.items()}
    arrays = {name: texts(values) for name, values in clean.items()}
    return pa.record_batch({"row_id": numbers(np.array(rows, np.int64)), **arrays})


def top_counts(names: Iterable[str], rest: str) -> dict[str, int]:
    """Return the 20 most frequent names with their counts, and the other names as `rest`."""
    counts = Counter(names)
    top = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20])
    if more := counts.total() - sum(top.values()):
        top[rest] = more
    return top


def _finish(
    target: Path,
    number: int,
    chunk: Chunk,
    data: ShardData,
    rejects: list[Reject],
    notes: list[Note],
    cache: dict[str, int],
    options: FeaturizeOptions,
) -> ShardSummary:
    added = [name for name, kind in added_columns(options.add).items() if kind is str]
    summary = ShardSummary(
        number=number,
        first_row=chunk.first_row,
        rows=len(chunk),
        graphs=len(data.columns),
        rejects=top_counts(
            (f"{r.stage}: {r.reason.partition(': ')[0]}" for r in rejects), "other reasons"
        ),
        largest=largest_indices(data.columns),
        column_kinds={n: "text" if n in added else column_kind(a) for n, a in data.extra.items()},
        files={name: file_sha256(target / name) for name in CHUNK_FILES},
        notes=top_counts((_kind_of_note(n) for n in notes), "other notes"),
        cache=cache,
    )
    write_atomic_bytes(target / DONE_FILE, json.dumps(vars(summary)).encode())
    return replace(summary, files={})


def largest_indices(columns: GraphColumns) -> dict[str, int]:
    """Return the largest value of each index column, which decides its dtype in the store."""
    return {name: int(getattr(columns, name).max(initial=0)) for name in INDICES}


def _kind_of_note(note: Note) -> str:
    """Return a note without the details of one molecule: names, numbers, SMILES."""
    if note.kind == "changed":
        steps = {step.partition(" ")[0] for step in note.note.split("; ")}
        return f"changed: {', '.join(sorted(steps))}"
    return f"warning: {re.sub(r'[0-9]+', 'N', note.note)[:100]}"


def finished(folder: Path, number: int) -> ShardSummary | None:
    """Return the summary of a converted chunk whose checksums are right, else None."""
    target = folder / f"{number:06d}"
    try:
        summary = ShardSummary(**checked((target / DONE_FILE).read_bytes(), SUMMARY))
        whole = all(file_sha256(target / f) == sha for f, sha in summary.files.items())
    except (OSError, ValueError, TypeError):
        return None
    return summary if whole and summary.number == number else None
