"""Input rows to vectors, part by part: of a store, of a file as a build reads it, of texts."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.inputs.chunk import Chunk
from pepland_data.inputs.read_input import read_chunks
from pepland_data.loader.prefetch import ahead
from pepland_model.embed.embedder import Embeddings, gathered, reason_of
from pepland_model.embed.encoder import NodeVectors
from pepland_model.network.pooling import Pooling
from pepland_model.run.load_encoder import check_cut

ROWS = 512
"""Input rows of one part."""
AHEAD = 2
"""Parts whose graphs are ready before they are wanted."""


class Runner(Protocol):
    """What turns graphs into numbers: an `Encoder`, or a `Predictor` of a fine-tuned run."""

    cut: str | None
    """Where the molecules were cut that it was trained on."""
    device: torch.device
    """Where it computes."""
    exact: bool
    """See `Encoder`."""

    @property
    def width(self) -> int:
        """Numbers in a row."""

    def nodes(self, columns: GraphColumns, tables: FeatureTables, wanted: Pooling) -> NodeVectors:
        """Return the rows of graphs; see `Encoder.nodes`."""

    def batch(self, batch: HeteroBatch, wanted: Pooling) -> NodeVectors:
        """Return the rows of a batch on the device."""


@dataclass(frozen=True, eq=False)
class EmbeddedRows:
    """Consecutive input rows and their vectors."""

    row_id: npt.NDArray[np.int64]
    """[N] int64, number of each row in the input; of a store, in the input it was built from."""
    texts: Sequence[str]
    """[N] texts as they were given; those of a store as they are stored."""
    found: Embeddings
    """Their vectors, and why there are none."""


def embed_store(
    encoder: Runner, path: str | Path, wanted: Pooling
) -> Generator[EmbeddedRows, None, None]:
    """Yield the vectors of a store's graphs, in the order of the store."""
    from pepland_data.graph.columns import compact
    from pepland_data.loader.graph_loader import GraphLoader
    from pepland_data.store.graph_store import open_store

    store = open_store(path)
    check_cut(encoder.cut, str(store.manifest.options.get("cut", "")), str(path))
    loader = GraphLoader(store, ROWS, shuffle=False, device=encoder.device)
    starts = range(0, len(store), ROWS)
    batches: Iterator[Any] = iter(starts if encoder.exact else loader)
    for start, batch in zip(starts, batches, strict=True):
        stop = min(start + ROWS, len(store))
        if encoder.exact:
            own = compact(store.gather(np.arange(start, stop)), store.tables)
            vectors = encoder.nodes(*own, wanted)
        else:
            vectors = encoder.batch(batch, wanted)
        found = Embeddings(vectors.rows, vectors.ptr, (None,) * (stop - start))
        yield EmbeddedRows(store.row_id[start:stop], store.smiles[start:stop], found)


def embed_texts(
    encoder: Runner,
    chunks: Iterator[Chunk],
    options: FeaturizeOptions,
    wanted: Pooling,
) -> Generator[EmbeddedRows, None, None]:
    """Yield the vectors of input rows; a process beside this one makes the graphs meanwhile."""
    from pepland_data.builder.workers.isolation import IsolatedFeaturizer

    check_cut(encoder.cut, options.cut, "the input")
    with IsolatedFeaturizer(options) as featurizer:
        made = ahead(((chunk, converted(chunk, featurizer)) for chunk in chunks), AHEAD)
        with closing(cast(Generator[tuple[Chunk, Any], None, None], made)) as graphs:
            for chunk, done in graphs:
                entries = entries_of(chunk, done, encoder, wanted)
                row_id = chunk.first_row + np.arange(len(chunk))
                yield EmbeddedRows(row_id, chunk.texts, gathered(entries, wanted, encoder.width))


def entries_of(chunk: Chunk, done: Any, encoder: Runner, wanted: Pooling) -> list[Any]:
    """Return for each row of a chunk its vectors, or the reason why it has none."""
    vectors = encoder.nodes(done.columns, done.tables, wanted)
    entries: list[Any] = [f"read: {chunk.problems.get(i)}" for i in range(len(chunk))]
    for reject in done.rejects:
        entries[reject.position] = reason_of(reject)
    for place, position in enumerate(done.kept.tolist()):
        entries[position] = vectors[place]
    return entries


def converted(chunk: Chunk, featurizer: Any) -> Any:
    """Return what the readable texts of a chunk became, by their place in the chunk."""
    good = np.array([i for i in range(len(chunk)) if i not in chunk.problems], np.int64)
    meant = chunk.texts_as_helm(featurizer.options.input_format)
    done = featurizer.convert([meant.get(i, chunk.texts[i]) for i in good.tolist()])
    rejects = [replace(reject, position=int(good[reject.position])) for reject in done.rejects]
    return replace(done, kept=good[done.kept], rejects=rejects)


def file_chunks(path: Path, column: str | None, input_format: str) -> Iterator[Chunk]:
    """Yield the rows of a file."""
    return read_chunks(path, ROWS, column, input_format)


def text_chunks(texts: Sequence[str]) -> Iterator[Chunk]:
    """Yield texts that were given one by one."""
    for start in range(0, len(texts), ROWS):
        yield Chunk(start, list(texts[start : start + ROWS]), {}, {})
