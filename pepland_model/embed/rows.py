"""Embed the rows of an input in parts: the graphs of a store, or the texts of a file or a list."""

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
from pepland_data.builder.workers.isolation import IsolatedFeaturizer
from pepland_data.chem.conversion import Converted, FeaturizeOptions
from pepland_data.chem.notation.detect import is_molblock
from pepland_data.graph.columns import GraphColumns, compact
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.inputs.chunk import Chunk
from pepland_data.loader.graph_loader import GraphLoader
from pepland_data.loader.prefetch import ahead
from pepland_data.store.graph_store import open_store
from pepland_model.embed.embedder import Embeddings, embeddings_of, reason_of
from pepland_model.embed.encoder import NodeVectors
from pepland_model.embed.vector_cache import Result
from pepland_model.network.pooling import Pooling
from pepland_model.run.load_encoder import check_cut

ROWS = 512
"""Input rows per part."""
GPU_ROWS = 8192
"""Graphs of a store per part on a GPU, where each peptide has one vector: small batches leave it
idle."""
PARTS_AHEAD = 2
"""Parts that are converted to graphs before the network needs them."""


class Runner(Protocol):
    """Turns graphs into rows of numbers: an `Encoder`, or a `Predictor` of a fine-tuned run."""

    cut: str | None
    """Cut of the molecules it was trained on; None if not known."""
    device: torch.device
    """Where it computes."""
    exact: bool
    """See `Encoder`."""

    @property
    def width(self) -> int:
        """Numbers per row."""

    def nodes(self, columns: GraphColumns, tables: FeatureTables, pooling: Pooling) -> NodeVectors:
        """Return the rows of graphs; see `Encoder.nodes`."""

    def batch(self, batch: HeteroBatch, pooling: Pooling) -> NodeVectors:
        """Return the rows of a batch on the device."""


@dataclass(frozen=True, eq=False)
class EmbeddedRows:
    """Consecutive input rows and their vectors."""

    row_id: npt.NDArray[np.int64]
    """[N] int64, number of each row in the input; for a store, in the input it was built from."""
    texts: Sequence[str]
    """[N] texts of the input; for a store or an SDF file, the SMILES."""
    embeddings: Embeddings
    """Their vectors, or the reasons why there are none."""


def embed_store(
    encoder: Runner, path: str | Path, pooling: Pooling
) -> Generator[EmbeddedRows, None, None]:
    """Yield the vectors of the graphs of a store, in its order."""
    store = open_store(path)
    check_cut(encoder.cut, str(store.manifest.options.get("cut", "")), str(path))
    large = encoder.device.type == "cuda" and pooling.level == "peptide"
    rows = GPU_ROWS if large else ROWS
    loader = GraphLoader(store, rows, shuffle=False, device=encoder.device)
    starts = range(0, len(store), rows)
    batches: Iterator[Any] = iter(starts if encoder.exact else loader)
    for start, batch in zip(starts, batches, strict=True):
        stop = min(start + rows, len(store))
        if encoder.exact:
            graphs = compact(store.gather(np.arange(start, stop)), store.tables)
            vectors = encoder.nodes(*graphs, pooling)
        else:
            vectors = encoder.batch(batch, pooling)
        embeddings = Embeddings(vectors.rows, vectors.ptr, (None,) * (stop - start))
        yield EmbeddedRows(store.row_id[start:stop], store.smiles[start:stop], embeddings)


def embed_texts(
    encoder: Runner,
    chunks: Iterator[Chunk],
    options: FeaturizeOptions,
    pooling: Pooling,
) -> Generator[EmbeddedRows, None, None]:
    """Yield the vectors of input rows; another process converts the next texts meanwhile."""
    check_cut(encoder.cut, options.cut, "the input")
    with IsolatedFeaturizer(options) as featurizer:
        pairs = ahead(((chunk, convert(chunk, featurizer)) for chunk in chunks), PARTS_AHEAD)
        with closing(cast(Generator[tuple[Chunk, Converted], None, None], pairs)) as parts:
            for chunk, converted in parts:
                embeddings = chunk_embeddings(chunk, converted, encoder, pooling)
                row_id = chunk.first_row + np.arange(len(chunk))
                yield EmbeddedRows(row_id, _shown(chunk, converted), embeddings)


def convert(chunk: Chunk, featurizer: IsolatedFeaturizer) -> Converted:
    """Return the graphs and rejects of the readable texts of a chunk, numbered as in the chunk."""
    readable = np.array([i for i in range(len(chunk)) if i not in chunk.problems], np.int64)
    sequences = chunk.texts_as_helm(featurizer.options.input_format)
    converted = featurizer.convert([sequences.get(i, chunk.texts[i]) for i in readable.tolist()])
    places = readable.tolist()
    rejects = [
        replace(r, position=places[r.position], reason=chunk.reason(places[r.position], r.reason))
        for r in converted.rejects
    ]
    renamed = {places[i]: text for i, text in converted.renamed.items()}
    return replace(converted, kept=readable[converted.kept], rejects=rejects, renamed=renamed)


def _shown(chunk: Chunk, converted: Converted) -> list[str]:
    """Return the texts of a chunk, with the SMILES in place of mol blocks."""
    smiles = converted.renamed
    return [smiles.get(i, t) if is_molblock(t) else t for i, t in enumerate(chunk.texts)]


def chunk_embeddings(
    chunk: Chunk, converted: Converted, encoder: Runner, pooling: Pooling
) -> Embeddings:
    """Return the vectors of each row of a chunk, or the reason why it has none."""
    vectors = encoder.nodes(converted.columns, converted.tables, pooling)
    results: list[Result] = [f"read: {chunk.problems.get(i)}" for i in range(len(chunk))]
    for reject in converted.rejects:
        results[reject.position] = reason_of(reject)
    for graph, position in enumerate(converted.kept.tolist()):
        results[position] = vectors[graph]
    return embeddings_of(results, pooling, vectors.rows.shape[1])


def text_chunks(texts: Sequence[str]) -> Iterator[Chunk]:
    """Yield texts that were passed one by one."""
    for start in range(0, len(texts), ROWS):
        yield Chunk(start, list(texts[start : start + ROWS]), {}, {})
