"""``embed(...)``: everything between an input and a file of vectors."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pepland_data
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.inputs.read_input import spool
from pepland_model.embed.encoder import Encoder
from pepland_model.embed.rows import (
    EmbeddedRows,
    Runner,
    embed_store,
    embed_texts,
    file_chunks,
    text_chunks,
)
from pepland_model.embed.vector_files import writer_for
from pepland_model.network.pooling import Pooling
from pepland_model.run.distributed import pick_device

Report = Callable[[int], None]


class RowWriter(Protocol):
    """A file in the making, which appears when the context ends well."""

    def __enter__(self) -> object: ...

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None: ...

    def write(self, part: EmbeddedRows) -> None:
        """Take the next part."""


@dataclass(frozen=True)
class EmbedInput:
    """Where the peptides come from; one of the first two is given."""

    path: str = ""
    """Store folder, file, or ``-`` for standard input."""
    texts: tuple[str, ...] = ()
    """Peptides themselves."""
    column: str | None = None
    """Name of the file's text column; None to find it."""
    options: FeaturizeOptions = FeaturizeOptions(input_format="auto")  # noqa: RUF009 - frozen
    """How texts become graphs."""


def embed(
    checkpoint: str | Path,
    source: EmbedInput,
    out: str | Path,
    pooling: Pooling | None = None,
    device: str = "auto",
    exact: bool = False,
    progress: Report = lambda rows: None,
) -> dict[str, Any]:
    """Write the vectors of all rows of an input to one file.

    Args:
        checkpoint: run folder, checkpoint folder or model folder.
        source: the input.
        out: ends with ``.parquet``, ``.npz`` or ``.zarr``; replaced when all is done.
        pooling: which vectors.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        exact: see `Embedder`.
        progress: told the rows done so far.

    Returns:
        Counts, seconds, and how many rows were rejected for which reason.

    Raises:
        CheckpointError, InputError, StoreError: what cannot be used, and what to do.
    """
    wanted = pooling or Pooling()
    encoder = Encoder(checkpoint, pick_device(device), exact)
    about = {
        "checkpoint": str(checkpoint), "model": encoder.model.config.to_dict(),
        "pooling": asdict(wanted), "exact": exact, "version": pepland_data.__version__,
    }  # fmt: skip
    writer = writer_for(Path(out), encoder.width, wanted.level, about)
    report = write_all(encoder, source, wanted, writer, progress)
    return {"out": str(out), **report, "width": encoder.width, **asdict(wanted)}


def write_all(
    encoder: Runner,
    source: EmbedInput,
    wanted: Pooling,
    writer: RowWriter,
    progress: Report,
) -> dict[str, Any]:
    """Write what `encoder` makes of all rows of a source; return counts and seconds."""
    began, rows, reasons = time.perf_counter(), 0, Counter[str]()
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(parts_of(encoder, source, wanted, Path(scratch))) as parts,
        writer,
    ):
        for part in parts:
            writer.write(part)
            rows += len(part.texts)
            reasons.update(_kind(why) for why in part.found.reasons if why)
            progress(rows)
    return {
        "rows": rows, "embedded": rows - reasons.total(), "rejected": reasons.total(),
        "reasons": dict(reasons.most_common(20)), "seconds": time.perf_counter() - began,
    }  # fmt: skip


def parts_of(
    encoder: Runner, source: EmbedInput, wanted: Pooling, scratch: Path
) -> Generator[EmbeddedRows, None, None]:
    """Yield the vectors of a source; `scratch` keeps standard input while it is read."""
    path = Path(source.path)
    if source.texts:
        yield from embed_texts(encoder, text_chunks(source.texts), source.options, wanted)
    elif source.path != "-" and path.is_dir():
        yield from embed_store(encoder, path, wanted)
    else:
        if source.path == "-":
            path = scratch / "stdin.txt"
            spool(sys.stdin.buffer, path)
        chunks = file_chunks(path, source.column, source.options.input_format)
        yield from embed_texts(encoder, chunks, source.options, wanted)


def _kind(reason: str) -> str:
    """Return a reason without what is of one molecule only."""
    stage, _, rest = reason.partition(": ")
    return f"{stage}: {rest.partition(': ')[0]}"
