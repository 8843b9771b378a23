"""Texts to vectors in Python: a featurizer, a pre-trained encoder and a cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.chem.conversion import FeaturizeOptions, Reject
from pepland_data.errors import InputError, InvalidMoleculeError
from pepland_data.graph.columns import compact
from pepland_model.embed.encoder import Encoder
from pepland_model.embed.vector_cache import Result, VectorCache
from pepland_model.network.pooling import Pooling
from pepland_model.run.distributed import pick_device
from pepland_model.run.load_encoder import check_cut

BATCH = 256
"""Texts per batch."""
CACHE_BYTES = 256 * 2**20
"""Default limit of the cache."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors of texts, in the order of the texts."""

    vectors: npt.NDArray[np.float32]
    """[N, d] float32, one row per text, NaN for a text without vectors; at level ``atom`` or
    ``fragment`` one row per node, [sum of nodes, d]."""
    ptr: npt.NDArray[np.int64]
    """[N+1] int64, rows ``ptr[i]`` to ``ptr[i+1]`` belong to text i. At level ``atom`` or
    ``fragment``, a text without vectors has no rows."""
    reasons: tuple[str | None, ...]
    """[N] reason why a text has no vectors; None where it has."""

    def __len__(self) -> int:
        return len(self.reasons)

    def __getitem__(self, i: int) -> npt.NDArray[np.float32]:
        """Return the rows of text i, [rows, d]."""
        i = range(len(self))[i]
        return self.vectors[self.ptr[i] : self.ptr[i + 1]]

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """[N] bool, whether a text has vectors."""
        return np.array([reason is None for reason in self.reasons], bool)


class Embedder:
    """A pre-trained encoder that takes SMILES, sequences and HELM.

    Vectors of earlier texts come from a cache of limited size. The model keeps states of earlier
    atoms and fragments. Threads may share an embedder; they take turns.

    Args:
        checkpoint: run folder (its best checkpoint), checkpoint folder or model folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        options: how texts become graphs. By default ``auto``: SMILES, sequences and HELM side by
            side, with the cut of the encoder's training data (AdaFrag where it is not known).
        cache_bytes: limit for cached vectors and texts, 0 for no cache.
        exact: compute each text alone, so that its vector is bit-identical whatever other texts
            there are; slower. Otherwise vectors agree within rounding (about 1e-6).

    Raises:
        CheckpointError: the model is missing or damaged.
        InputError: there is no such device, or the cut differs from the encoder's.

    Examples:
        >>> embedder = Embedder("run/")  # doctest: +SKIP
        >>> embedder.embed(["NCC(=O)NCC(=O)O", "ACDEFGH"]).vectors.shape  # doctest: +SKIP
        (2, 300)
    """

    def __init__(
        self,
        checkpoint: str | Path,
        device: str = "auto",
        options: FeaturizeOptions | None = None,
        cache_bytes: int = CACHE_BYTES,
        exact: bool = False,
    ) -> None:
        from pepland_data.chem.featurizer import Featurizer

        self.encoder = Encoder(checkpoint, pick_device(device), exact)
        cut = self.encoder.cut
        self.options = options or FeaturizeOptions(cut or "adafrag", "auto")
        check_cut(cut, self.options.cut, "the input of these options")
        self.cache = VectorCache(cache_bytes)
        self._featurizer: Any = Featurizer(self.options)
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """Numbers per vector of the readout ``mean``, and per node."""
        return self.encoder.width

    def names(self, readout: str, view: str = "both") -> tuple[str, ...]:
        """Return the name of each number of a vector, such as ``atom round 0 mean 0``.

        Args:
            readout: ``mean``, ``rounds`` or ``full``.
            view: as for `embed`.

        Raises:
            InputError: readout or view is unknown, or ``full`` has no vocabulary.
        """
        return self.encoder.names(Pooling(view=view, readout=readout))

    def embed(
        self,
        texts: Sequence[str],
        level: str = "peptide",
        view: str = "both",
        pooling: str = "mean",
        readout: str = "mean",
    ) -> Embeddings:
        """Return the vectors of texts; a text without vectors does not affect the others.

        Args:
            texts: SMILES, sequences or HELM, as the options say.
            level: ``peptide``, ``atom`` (RDKit order) or ``fragment`` (order of ``GetMolFrags``).
            view: at level ``peptide``: ``atom``, ``fragment`` or ``both``, the mean of the two.
            pooling: ``mean`` or ``max`` over the nodes of a view.
            readout: at level ``peptide``: ``mean``, ``rounds`` or ``full``; see `names`.

        Raises:
            InputError: an argument is unknown or does not fit the others, or a text is not a
                string.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InputError("expected a sequence of texts; put a single text into a list")
        which = Pooling(level, view, pooling, readout)
        width = self.encoder.width_of(which)
        with self._lock:
            cached = {text: self.cache.get((which, text)) for text in dict.fromkeys(texts)}
            results = {text: result for text, result in cached.items() if result is not None}
            missing = [text for text in cached if text not in results]
            for start in range(0, len(missing), BATCH):
                for text, result in self._compute(missing[start : start + BATCH], which):
                    results[text] = result
                    self.cache.put((which, text), result)
        return embeddings_of([results[text] for text in texts], which, width)

    def vector(
        self, text: str, view: str = "both", pooling: str = "mean"
    ) -> npt.NDArray[np.float32]:
        """Return the vector of one peptide, [d] float32.

        Raises:
            InvalidMoleculeError: the text has no vector.
        """
        embeddings = self.embed([text], "peptide", view, pooling)
        if embeddings.reasons[0] is not None:
            stage, _, reason = embeddings.reasons[0].partition(": ")
            raise InvalidMoleculeError(text, stage, reason)
        vector: npt.NDArray[np.float32] = embeddings.vectors[0]
        return vector

    def _compute(self, texts: Sequence[str], pooling: Pooling) -> Iterator[tuple[str, Result]]:
        """Yield each text with its vectors, or with the reason why it has none."""
        converted = self._featurizer.convert(texts)
        vectors = self.encoder.nodes(*compact(converted.columns, converted.tables), pooling)
        yield from ((reject.text, reason_of(reject)) for reject in converted.rejects)
        for graph, position in enumerate(converted.kept.tolist()):
            yield texts[position], vectors[graph].copy()


def reason_of(reject: Reject) -> str:
    """Return stage and reason of a reject as one string."""
    return f"{reject.stage}: {reject.reason}"


def embeddings_of(results: Sequence[Result], pooling: Pooling, width: int) -> Embeddings:
    """Return results as `Embeddings`; at level ``peptide`` a reason becomes a row of NaN."""
    reasons = tuple(result if isinstance(result, str) else None for result in results)
    blank = np.full((int(pooling.level == "peptide"), width), np.nan, np.float32)
    parts = [blank if isinstance(result, str) else result for result in results]
    ptr = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return Embeddings(np.concatenate([blank[:0], *parts]), ptr, reasons)
