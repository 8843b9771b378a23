"""``embed(...)``: write the vectors of all rows of an input to one file."""

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
from pepland_data.graph.vocabulary import Vocabulary
from pepland_data.inputs.early_notes import warn_early
from pepland_data.inputs.read_input import read_chunks, spool, standard_input_at
from pepland_data.store.graph_store import open_store
from pepland_model.embed.encoder import Encoder
from pepland_model.embed.rows import (
    ROWS,
    EmbeddedRows,
    Runner,
    embed_store,
    embed_texts,
    text_chunks,
)
from pepland_model.embed.vector_files import writer_for
from pepland_model.network.pooling import Pooling
from pepland_model.run.distributed import pick_device

Report = Callable[[int], None]
"""Is called with the number of rows written so far."""


class RowWriter(Protocol):
    """A context that writes one file; the file appears when the context ends without an error."""

    def __enter__(self) -> object: ...

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None: ...

    def write(self, part: EmbeddedRows) -> None:
        """Append a part."""


@dataclass(frozen=True)
class EmbedInput:
    """Where the peptides come from: either `path` or `texts`."""

    path: str = ""
    """Store folder, file, or ``-`` for standard input."""
    texts: tuple[str, ...] = ()
    """The peptides themselves."""
    column: str | None = None
    """Name of the text column of the file; None to detect it."""
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
        out: ends with ``.parquet``, ``.npz`` or ``.zarr``. An existing file is replaced when all
            rows are written.
        pooling: which vectors; by default one per peptide.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        exact: see `Embedder`.
        progress: is called with the number of rows written so far.

    Returns:
        Counts, seconds, and how many rows were rejected for each reason.

    Raises:
        CheckpointError, InputError, StoreError: model, input or output cannot be used.
    """
    pooling = pooling or Pooling()
    encoder = Encoder(checkpoint, pick_device(device), exact)
    about = {
        "checkpoint": str(checkpoint), "model": encoder.model.config.to_dict(),
        "pooling": asdict(pooling), "exact": exact, "version": pepland_data.__version__,
    }  # fmt: skip
    if pooling.readout != "mean":
        encoder.vocabulary = encoder.vocabulary or store_vocabulary(source)
        about["dimensions"] = encoder.names(pooling)
    width = encoder.width_of(pooling)
    writer = writer_for(Path(out), width, pooling.level, about)
    report = write_all(encoder, source, pooling, writer, progress)
    return {"out": str(out), **report, "width": width, **asdict(pooling)}


def store_vocabulary(source: EmbedInput) -> Vocabulary | None:
    """Return the fragments of a store, in alphabetical order; None for another input."""
    if source.texts or source.path == "-" or not Path(source.path).is_dir():
        return None
    smiles = open_store(source.path).tables.fragment_smiles
    return Vocabulary(tuple(sorted(smiles[1:])))  # row 0 is the mask row


def write_all(
    encoder: Runner,
    source: EmbedInput,
    pooling: Pooling,
    writer: RowWriter,
    progress: Report,
) -> dict[str, Any]:
    """Write the output of `encoder` for all rows of a source; return counts and seconds."""
    start, rows, reasons = time.perf_counter(), 0, Counter[str]()
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(embedded_parts(encoder, source, pooling, Path(scratch))) as parts,
        writer,
    ):
        for part in parts:
            writer.write(part)
            rows += len(part.texts)
            reasons.update(_general(reason) for reason in part.embeddings.reasons if reason)
            progress(rows)
    return {
        "rows": rows, "embedded": rows - reasons.total(), "rejected": reasons.total(),
        "reasons": dict(reasons.most_common(20)), "seconds": time.perf_counter() - start,
    }  # fmt: skip


def embedded_parts(
    encoder: Runner, source: EmbedInput, pooling: Pooling, scratch: Path
) -> Generator[EmbeddedRows, None, None]:
    """Yield the vectors of a source; standard input is first copied into the folder `scratch`."""
    path, options = Path(source.path), source.options
    if source.texts:
        yield from embed_texts(encoder, text_chunks(source.texts), options, pooling)
    elif source.path != "-" and path.is_dir():
        yield from embed_store(encoder, path, pooling)
    else:
        if source.path == "-":
            path = scratch / "stdin.txt"
            spool(sys.stdin.buffer, path)
        with standard_input_at(scratch / "stdin.txt"):
            chunks = read_chunks(path, ROWS, source.column, options.input_format)
            yield from embed_texts(encoder, warn_early(chunks, options)[1], options, pooling)


def _general(reason: str) -> str:
    """Return a reason without the details of one molecule."""
    stage, _, rest = reason.partition(": ")
    return f"{stage}: {rest.partition(': ')[0]}"
