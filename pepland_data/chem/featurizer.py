"""Texts to heterographs: read, cut, look up every row's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from rdkit import Chem

from pepland_data.chem.conversion import Converted, FeaturizeOptions, Note, Reject
from pepland_data.chem.fast.fast_path import CannotCutError, FastPath
from pepland_data.chem.fast.rdkit_records import RdkitRecords, read_rdkit_records
from pepland_data.chem.fast.sequence_path import SequencePath
from pepland_data.chem.notation.detect import kind_of
from pepland_data.chem.notation.molecule_identity import (
    identities,
    of_molecule,
    of_sequence,
    of_sequence_molecule,
)
from pepland_data.chem.notation.parse import (
    MAX_TEXT,
    check_sequence,
    check_size,
    check_text,
    parse,
)
from pepland_data.chem.notation.rdkit_messages import RdkitMessages
from pepland_data.chem.notation.standardize import standardized
from pepland_data.chem.plain_path import check_atoms, join_graphs, plain_graph, refuse_atom
from pepland_data.errors import InvalidMoleculeError
from pepland_data.graph.columns import GraphColumns, concat, empty_columns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.heterograph import HeteroGraph, graph_from_arrays
from pepland_data.graph.table_builder import TableBuilder

BATCH = 256
"""Molecules that are put together at once."""
SEQUENCE_BATCH = 4096
"""Sequences that are put together at once."""
MAX_FRAGMENT_ROWS = 200_000
"""A featurizer that has met more distinct fragments starts afresh with the next texts."""


Watch = Callable[[int | None], None]
"""Called with the position of the text that comes next, None where many are worked on at once."""


@dataclass
class _Batch:
    """Texts that have been read, and what became of them."""

    positions: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    mols: list[Any] = field(default_factory=list)
    skeletons: list[RdkitRecords | None] = field(default_factory=list)

    def only(self, chosen: Sequence[int]) -> _Batch:
        lists = (self.positions, self.texts, self.mols, self.skeletons)
        return _Batch(*([values[i] for i in chosen] for values in lists))  # type: ignore[arg-type]


class Featurizer:
    """Turns texts into graphs and remembers every distinct atom, bond and piece it has met."""

    def __init__(
        self,
        options: FeaturizeOptions | None = None,
        *,
        fast: bool = True,
        watch: Watch = lambda position: None,
    ) -> None:
        """Start with nothing known.

        Args:
            options: what decides the graph.
            fast: False asks RDKit everything anew for each molecule; the result is the same.
            watch: told what is worked on, so that somebody else knows when it never ends.
        """
        self.options = options or FeaturizeOptions()
        self._fast, self._watch = fast, watch
        self._rows = TableBuilder()
        self._path = FastPath(self.options.cut, self._rows)

    @cached_property
    def _sequences(self) -> SequencePath:
        return SequencePath(self.options.cut, self._rows)

    @property
    def tables(self) -> FeatureTables:
        """The rows met so far."""
        return self._rows.freeze()

    @property
    def cache_counts(self) -> dict[str, int]:
        """How many pieces were asked for, how many were known, how many are kept."""
        cache = self._path.cache
        kept = len(cache.fragment_code.rows)
        return {"asked": cache.asked, "known": cache.known, "kept": kept, "emptied": cache.emptied}

    def featurize(self, text: str) -> HeteroGraph:
        """Return one graph; InvalidMoleculeError where the text has none."""
        done = self.convert([text])
        for reject in done.rejects:
            raise InvalidMoleculeError(text, reject.stage, reject.reason)
        flat = {
            name: value for name, value in vars(done.columns).items() if not name.endswith("_ptr")
        }
        return graph_from_arrays(text, done.tables, **flat)

    def convert(self, texts: Sequence[str]) -> Converted:
        """Return the graphs of all texts that have one, and the rejects.

        Raises:
            TypeError: something is not a text; or one text was given instead of several.
        """
        _check_types(texts)
        if len(self._rows.fragments.rows) > MAX_FRAGMENT_ROWS:
            self._forget()
        rejects: list[Reject] = []
        notes: list[Note] = []
        parts, kept = [empty_columns()], [np.zeros(0, np.int64)]
        identity: dict[int, bytes] = {}
        with RdkitMessages() as log:
            texts, renamed = self._standardize(texts, log, notes)
            sequences, others = self._sort_out(texts)
            for batch in self._read_sequences(texts, sequences, rejects):
                parts.append(self._sequences.graphs(batch.texts))
                kept.append(np.array(batch.positions, np.int64))
                identity |= self._identify(batch)
            for batch in self._read(texts, others, log, rejects, notes):
                for part, columns in self._graphs(batch, rejects):
                    parts.append(columns)
                    kept.append(np.array(part.positions, np.int64))
                    identity |= self._identify(part)
        columns, places = concat(parts), np.concatenate(kept)
        order = np.argsort(places)
        if np.any(order[1:] < order[:-1]):
            columns, places = columns.take(order), places[order]
        rejects.sort(key=lambda reject: reject.position)
        notes.sort(key=lambda note: note.position)
        same = identities(identity, places.tolist())
        return Converted(columns, self.tables, places, rejects, notes, renamed, same)

    def _identify(self, batch: _Batch) -> dict[int, bytes]:
        """Return what tells the molecules of a batch from others, by position."""
        if not self.options.dedup:
            return {}
        self._watch(None)
        if batch.mols:
            return dict(zip(batch.positions, map(of_molecule, batch.mols), strict=True))
        of = of_sequence if self.options.input_format != "auto" else of_sequence_molecule
        return dict(zip(batch.positions, map(of, batch.texts), strict=True))

    def _standardize(
        self, texts: Sequence[str], log: RdkitMessages, notes: list[Note]
    ) -> tuple[Sequence[str], dict[int, str]]:
        """Return the texts that become graphs, and by position those that were changed."""
        if not self.options.standardize:
            return texts, {}
        renamed: dict[int, str] = {}
        for position, text in enumerate(texts):
            if kind_of(text, self.options.input_format) not in ("smiles", "either"):
                continue
            if len(text) > MAX_TEXT or "\0" in text:
                continue
            self._watch(position)
            new, what = standardized(text)
            log.take()
            if new != text:
                renamed[position] = new
                notes.append(Note(position, "changed", text, what))
        return [renamed.get(i, text) for i, text in enumerate(texts)], renamed

    def _forget(self) -> None:
        self._rows = TableBuilder()
        self._path = FastPath(self.options.cut, self._rows)
        self.__dict__.pop("_sequences", None)

    def _sort_out(self, texts: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return the positions of sequences, which need no RDKit, and of all other texts."""
        sequences: list[int] = []
        others: list[int] = []
        for position, text in enumerate(texts):
            easy = self._fast and kind_of(text, self.options.input_format) == "sequence"
            (sequences if easy else others).append(position)
        return sequences, others

    def _read_sequences(
        self, texts: Sequence[str], positions: Sequence[int], rejects: list[Reject]
    ) -> Iterator[_Batch]:
        """Check sequences in batches; what is none joins the rejects."""
        for start in range(0, len(positions), SEQUENCE_BATCH):
            batch = _Batch()
            self._watch(None)
            for position in positions[start : start + SEQUENCE_BATCH]:
                text = texts[position]
                try:
                    check_text(text)
                    check_sequence(text)
                    check_size(text, self._sequences.num_atoms(text), self.options.max_atoms)
                except InvalidMoleculeError as error:
                    rejects.append(Reject(position, text, error.stage, error.reason))
                    continue
                batch.positions.append(position)
                batch.texts.append(text)
            if batch.texts:
                yield batch

    def _read(
        self,
        texts: Sequence[str],
        positions: Sequence[int],
        log: RdkitMessages,
        rejects: list[Reject],
        notes: list[Note],
    ) -> Iterator[_Batch]:
        """Read texts in batches; what cannot be read joins the rejects."""
        for start in range(0, len(positions), BATCH):
            batch = _Batch()
            for position in positions[start : start + BATCH]:
                text = texts[position]
                self._watch(position)
                try:
                    mol, skeleton = self._molecule(text, log)
                except InvalidMoleculeError as error:
                    rejects.append(Reject(position, text, error.stage, error.reason))
                    log.take()
                    continue
                notes += [Note(position, "warning", text, line) for line in log.take()]
                batch.positions.append(position)
                batch.texts.append(text)
                batch.mols.append(mol)
                batch.skeletons.append(skeleton)
            yield batch

    def _molecule(self, text: str, log: RdkitMessages) -> tuple[Any, RdkitRecords | None]:
        mol = parse(text, self.options.input_format, self.options.max_atoms, log)
        skeleton = read_rdkit_records(mol) if self._fast else None
        if skeleton is None:
            check_atoms(text, mol)
        else:
            for number, chiral in self._path.states.odd_atoms(skeleton.atoms):
                refuse_atom(text, number, chiral)
        return mol, skeleton

    def _graphs(
        self, batch: _Batch, rejects: list[Reject]
    ) -> Iterator[tuple[_Batch, GraphColumns]]:
        self._watch(None)
        known = [i for i, skeleton in enumerate(batch.skeletons) if skeleton is not None]
        yield from self._fast_graphs(batch.only(known), rejects)
        for i in sorted(set(range(len(batch.mols))) - set(known)):
            self._watch(batch.positions[i])
            try:
                flat = plain_graph(batch.mols[i], self.options.cut, self._rows)
            except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
                rejects.append(_uncut(batch, i, str(error)))
                continue
            yield batch.only([i]), join_graphs([flat])

    def _watching(self, batch: _Batch) -> Watch:
        """Return a watch for places in a batch."""
        return lambda i: self._watch(None if i is None else batch.positions[i])

    def _fast_graphs(
        self, batch: _Batch, rejects: list[Reject]
    ) -> Iterator[tuple[_Batch, GraphColumns]]:
        if not batch.mols:
            return
        try:
            skeletons = [s for s in batch.skeletons if s]
            yield batch, self._path.graphs(batch.mols, skeletons, self._watching(batch))
        except CannotCutError as error:
            rejects += [_uncut(batch, i, reason) for i, reason in error.reasons.items()]
            rest = [i for i in range(len(batch.mols)) if i not in error.reasons]
            yield from self._fast_graphs(batch.only(rest), rejects)


def _check_types(texts: Sequence[str]) -> None:
    """Refuse what is no text at all, as a missing value in a table, with a sentence."""
    if isinstance(texts, str):
        raise TypeError("expected several texts; for one text there is featurize")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {position} is {text!r:.50}, not a string; leave it out")


def _uncut(batch: _Batch, i: int, reason: str) -> Reject:
    why = f"a fragment does not sanitise: {reason}"
    return Reject(batch.positions[i], batch.texts[i], "cut", why)


def featurize(text: str, cut: str = "adafrag") -> HeteroGraph:
    """Return the heterograph of one SMILES.

    Raises:
        InvalidMoleculeError: where the text cannot become a graph.
        InputError: for an unknown cut.
    """
    return Featurizer(FeaturizeOptions(cut=cut)).featurize(text)
