"""Texts to vectors in Python: a pre-trained encoder, a featurizer and a bounded cache."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.errors import InputError, InvalidMoleculeError
from pepland_model.embed.encoder import Encoder
from pepland_model.embed.vector_cache import VectorCache
from pepland_model.network.pooling import Pooling
from pepland_model.run.distributed import pick_device
from pepland_model.run.load_encoder import check_cut

BATCH = 256
"""Texts that are worked on at once."""
CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors of texts, in the order of the texts."""

    vectors: npt.NDArray[np.float32]
    """[N, d] float32, one a text, NaN where there is none; at level ``atom`` or ``fragment`` one a
    node, [sum of nodes, d]."""
    ptr: npt.NDArray[np.int64]
    """[N+1] int64, rows ``ptr[i]`` to ``ptr[i+1]`` belong to text i; a text without vectors has
    none at those levels."""
    reasons: tuple[str | None, ...]
    """[N] why a text has no vectors, None where it has."""

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

    Vectors of texts asked for before come from a cache of bounded size; states of atoms met before
    from the model's own. Safe to share between threads, which take turns.

    Args:
        checkpoint: run folder (its best checkpoint), checkpoint folder or model folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        options: how texts become graphs. By default ``auto``: SMILES, sequences and HELM side by
            side, cut as the encoder's training data (AdaFrag where that is not known).
        cache_bytes: most bytes of vectors and texts kept, 0 for none.
        exact: compute each text alone, so that its vector has the same bits whatever was
            asked for with it or before; slower. Else they agree within rounding (about 1e-6).

    Raises:
        CheckpointError: no such model, or a damaged one.
        InputError: no such device, or another cut than the encoder's.

    Example:
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
        check_cut(cut, self.options.cut, "what the options ask for")
        self.cache = VectorCache(cache_bytes)
        self._featurizer: Any = Featurizer(self.options)
        self._turn = threading.Lock()

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self.encoder.width

    def embed(
        self,
        texts: Sequence[str],
        level: str = "peptide",
        view: str = "both",
        pooling: str = "mean",
    ) -> Embeddings:
        """Return the vectors of texts; one that has none costs its own row only.

        Args:
            texts: SMILES, sequences, HELM, as the options say.
            level: ``peptide``, ``atom`` (RDKit order) or ``fragment`` (order of ``GetMolFrags``).
            view: at level ``peptide``: ``atom``, ``fragment`` or ``both``, the mean of the two.
            pooling: ``mean`` or ``max`` over the nodes of a view.

        Raises:
            InputError: unknown level, view or pooling, or a text that is no string.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InputError("expected a sequence of texts; put a single one into a list")
        wanted = Pooling(level, view, pooling)
        with self._turn:
            entries = {text: self.cache.get((wanted, text)) for text in dict.fromkeys(texts)}
            missing = [text for text, entry in entries.items() if entry is None]
            for start in range(0, len(missing), BATCH):
                for text, entry in self._compute(missing[start : start + BATCH], wanted):
                    entries[text] = entry
                    self.cache.put((wanted, text), entry)
        return gathered([entries[text] for text in texts], wanted, self.width)

    def vector(self, text: str, view: str = "both", pooling: str = "mean") -> Any:
        """Return the vector of one peptide, [d] float32.

        Raises:
            InvalidMoleculeError: the text has none.
        """
        found = self.embed([text], "peptide", view, pooling)
        if found.reasons[0] is not None:
            stage, _, reason = found.reasons[0].partition(": ")
            raise InvalidMoleculeError(text, stage, reason)
        return found.vectors[0]

    def _compute(
        self, texts: Sequence[str], wanted: Pooling
    ) -> Iterable[tuple[str, npt.NDArray[np.float32] | str]]:
        from pepland_data.graph.columns import compact

        done = self._featurizer.convert(texts)
        columns, tables = compact(done.columns, done.tables)
        found = self.encoder.nodes(columns, tables, wanted)
        yield from ((reject.text, reason_of(reject)) for reject in done.rejects)
        for place, position in enumerate(done.kept.tolist()):
            yield texts[position], found[place].copy()


def reason_of(reject: Any) -> str:
    """Return stage and reason of a reject as one text."""
    return f"{reject.stage}: {reject.reason}"


def gathered(entries: Sequence[Any], wanted: Pooling, width: int) -> Embeddings:
    """Return entries of texts as `Embeddings`; at level ``peptide`` a failure is a row of NaN."""
    reasons = tuple(entry if isinstance(entry, str) else None for entry in entries)
    blank = np.full((int(wanted.level == "peptide"), width), np.nan, np.float32)
    parts = [blank if isinstance(entry, str) else entry for entry in entries]
    ptr = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return Embeddings(np.concatenate([blank[:0], *parts]), ptr, reasons)
