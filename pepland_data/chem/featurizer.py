"""The entry of the package: texts to heterographs.

`Featurizer.convert` reads the texts and makes their graphs in batches: sequences with
`fast.sequence_path`, SMILES of known pieces with `smiles.smiles_path`, other texts with RDKit
(`notation`). Molecules become graphs with `fast.fast_path`, unusual ones with `plain_path`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from pepland_data.chem.added_columns import added_columns, prepare, values_of
from pepland_data.chem.conversion import Converted, FeaturizeOptions
from pepland_data.chem.fast.fast_path import CannotCutError, FastPath
from pepland_data.chem.fast.rdkit_records import (
    layout_is_known,
    read_rdkit_records,
)
from pepland_data.chem.fast.sequence_path import SequencePath, helm_residues
from pepland_data.chem.features import feature_factory
from pepland_data.chem.notation.detect import detect_notation
from pepland_data.chem.notation.helm import load_monomers
from pepland_data.chem.notation.molecule_identity import (
    identity_array,
    identity_of_molecule,
    identity_of_text,
)
from pepland_data.chem.notation.parse import (
    check_sequence,
    check_size,
    check_text,
    parse,
)
from pepland_data.chem.notation.written.shapes import NOTATIONS
from pepland_data.chem.plain_path import check_atom, plain_graph
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.chem.reader_choice import choose_readers
from pepland_data.chem.smiles.check import GraphCheck
from pepland_data.chem.smiles.known_pieces import KnownPieces
from pepland_data.chem.smiles.smiles_path import SmilesBatch
from pepland_data.chem.text_call import ReadText, TextCall, Watch
from pepland_data.errors import DifferentGraphError, InvalidMoleculeError
from pepland_data.graph.columns import GraphColumns, columns_of_one, concat, empty_columns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.graph.table_builder import TableBuilder

BATCH = 256
"""Molecules that become graphs, or SMILES that are read as written, at once."""
SEQUENCE_BATCH = 4096
"""Sequences that become graphs at once."""
NEED_MONOMERS = ("helm", *NOTATIONS)
"""Notations whose texts are read with a library of monomers."""
MAX_FRAGMENT_ROWS = 200_000
"""A featurizer with more distinct fragments forgets its tables and caches before the next call."""


Graphs = Iterator[tuple[list[ReadText], GraphColumns]]
"""Batches of texts and their graphs."""


class Featurizer:
    """Turns texts into graphs and remembers every distinct atom, bond and piece."""

    def __init__(
        self,
        options: FeaturizeOptions | None = None,
        *,
        fast: bool = True,
        watch: Watch = lambda position: None,
    ) -> None:
        """Start with empty tables and caches.

        Args:
            options: the options that decide the graphs.
            fast: False computes each molecule with RDKit alone; the graphs are the same.
            watch: called before each step with the position of its text, or with None if the step
                is about no text or many. A caller can use it to find a text that never ends. What a
                cache may know is a step of its own, so no step depends on earlier texts.
        """
        self.options = options or FeaturizeOptions()
        self._fast, self._watch = fast, watch
        self._readings = {"smiles": 0, "without_rdkit": 0}
        self._check = GraphCheck(self.options.cut, self.options.check_share)
        self._forget()

    def _forget(self) -> None:
        self._rows = TableBuilder()
        self._path = FastPath(self.options.cut, self._rows)
        self._known = KnownPieces()
        self.__dict__.pop("_sequences", None)

    @cached_property
    def _sequences(self) -> SequencePath:
        return SequencePath(self.options.cut, self._rows)

    @property
    def tables(self) -> FeatureTables:
        """The distinct feature rows so far."""
        return self._rows.freeze()

    @property
    def cache_counts(self) -> dict[str, int]:
        """Number of pieces asked for, known and kept, and how often the cache was emptied.

        And the number of SMILES that were read, all and ``without_rdkit``.
        """
        cache = self._path.cache
        kept = len(cache.fragment_code)
        pieces = {"asked": cache.asked, "known": cache.known, "kept": kept}
        return pieces | {"emptied": cache.emptied, **self._readings}

    def featurize(self, text: str) -> HeteroGraph:
        """Return the graph of one text; InvalidMoleculeError if it has none."""
        done = self.convert([text])
        for reject in done.rejects:
            raise InvalidMoleculeError(text, reject.stage, reject.reason)
        return HeteroGraph(text, done.tables, done.columns)

    def convert(self, texts: Sequence[str]) -> Converted:
        """Return the graphs of all texts that have one, and the rejects.

        Raises:
            TypeError: a text is not a string, or one string was given instead of a sequence.
        """
        _check_types(texts)
        if len(self._rows.fragments.rows) > MAX_FRAGMENT_ROWS:
            self._forget()
        parts, kept = [empty_columns()], [np.zeros(0, np.int64)]
        identity: dict[int, bytes] = {}
        added: dict[str, dict[int, Any]] = {name: {} for name in added_columns(self.options.add)}
        with RdkitMessages() as log:
            self._watch(None)
            feature_factory(), layout_is_known()  # once per process; no text pays for it
            call = TextCall(texts, self.options, log, self._watch)
            call.prepare()
            for batch, columns in self._all_graphs(call):
                parts.append(columns)
                kept.append(np.array([text.position for text in batch], np.int64))
                identity |= self._identities(batch)
                if added:
                    self._add(added, batch, log)
            self._watch(None)
        columns, places = concat(parts), np.concatenate(kept)
        order = np.argsort(places)
        if np.any(order[1:] < order[:-1]):
            columns, places = columns.take(order), places[order]
        rejects = sorted(call.rejects, key=lambda reject: reject.position)
        notes = sorted(call.notes, key=lambda note: note.position)
        identities = identity_array(identity, places.tolist())
        return Converted(
            columns, self.tables, places, rejects, notes, call.renamed, identities, added
        )

    def _all_graphs(self, call: TextCall) -> Graphs:
        """Read all texts and make their graphs, the sequences first."""
        readers = choose_readers(call.texts, self.options, call.rejected, self._fast)
        for batch in call.read(readers.sequences, SEQUENCE_BATCH, self._read_sequence):
            yield batch, self._sequences.graphs([text.text for text in batch])
        for batch in call.read(readers.linear, SEQUENCE_BATCH, self._read_linear):
            yield batch, self._sequences.helm_graphs([text.text for text in batch])
        asked: list[ReadText] = []
        written = list(readers.written.items())
        for start in range(0, len(written), BATCH):
            yield from self._smiles_graphs(call, dict(written[start : start + BATCH]), asked)
        yield from self._graphs(call, asked)
        for batch in call.read(readers.others, BATCH, partial(self._read_molecule, call.log)):
            yield from self._graphs(call, batch)

    def _smiles_graphs(
        self, call: TextCall, smiles: dict[int, str], asked: list[ReadText]
    ) -> Graphs:
        """Make the graphs of SMILES whose pieces are known.

        RDKit reads one text for each unknown piece, then those that only it can read. Their graphs
        are made in batches; at the end, `asked` holds those that still have none.

        Args:
            call: all texts.
            smiles: position -> SMILES of the texts to read.
            asked: molecules that RDKit read.
        """
        self._watch(None)
        self._known.make_room()
        self._readings["smiles"] += len(smiles)
        batch = SmilesBatch(list(smiles.values()), self._known, self._path.distinct)
        positions, left = list(smiles), np.ones(len(smiles), bool)
        for choose in (batch.to_ask, _all):
            rows = choose(left & ~batch.known(self.options.max_atoms))
            left[rows] = False
            read = partial(self._read_molecule, call.log)
            for molecules in call.read([positions[row] for row in rows], BATCH, read):
                self._remember(batch, molecules, positions)
                asked += molecules
                if len(asked) >= BATCH:
                    yield from self._graphs(call, asked)
                    asked.clear()
        chosen = left & batch.known(self.options.max_atoms)
        self._readings["without_rdkit"] += int(chosen.sum())
        found = [ReadText(positions[row], call.texts[positions[row]]) for row in _all(chosen)]
        yield from self._written_graphs(call, batch, chosen, found)

    @staticmethod
    def _remember(batch: SmilesBatch, molecules: list[ReadText], positions: Sequence[int]) -> None:
        """Remember the pieces of SMILES that RDKit read without a message."""
        for text in molecules:
            if text.records is not None and not text.noted:
                batch.learn(bisect_left(positions, text.position), text.mol, text.records)

    def _written_graphs(
        self,
        call: TextCall,
        batch: SmilesBatch,
        chosen: npt.NDArray[np.bool_],
        found: list[ReadText],
    ) -> Graphs:
        """Make the graphs of the chosen SMILES, and compare a share of them with RDKit's."""
        if not found:
            return
        watch = self._watch_of(found)
        try:
            columns = self._path.graphs_of_batch(batch.molecules(chosen), watch)
        except CannotCutError as error:
            chosen[np.flatnonzero(chosen)[list(error.reasons)]] = False
            rest = _without(error.reasons, found, call)
            yield from self._written_graphs(call, batch, chosen, rest)
            return
        for i, smiles in enumerate(batch.texts[row] for row in _all(chosen)):
            if self._check.chooses(smiles):
                watch(i)
                if self._check.differs(smiles, columns.slice(i, i + 1), self._rows):
                    raise DifferentGraphError(found[i].text, found[i].position)
        watch(None)
        yield found, columns

    def _read_sequence(self, position: int, text: str) -> ReadText:
        check_text(text)
        check_sequence(text)
        check_size(text, self._sequences.num_atoms(text), self.options.max_atoms)
        return ReadText(position, text)

    def _read_linear(self, position: int, text: str) -> ReadText:
        check_text(text)
        check_size(text, self._sequences.num_atoms_of_helm(text), self.options.max_atoms)
        return ReadText(position, text)

    def _read_molecule(self, log: RdkitMessages, position: int, text: str) -> ReadText:
        options = self.options
        if detect_notation(text, options.input_format) in NEED_MONOMERS:
            self._watch(None)
            load_monomers(options.monomers)
        self._watch(position)
        form, small = options.input_format, options.lowercase
        mol = parse(text, form, options.max_atoms, log, options.monomers, small)
        records = read_rdkit_records(mol) if self._fast else None
        if records is None:
            atoms = sorted((a.GetAtomicNum(), int(a.GetChiralTag())) for a in mol.GetAtoms())
        else:
            atoms = self._path.distinct.unsupported_atoms(records.atoms)
        for number, chiral in atoms:
            check_atom(text, number, chiral)
        return ReadText(position, text, mol, records)

    def _graphs(self, call: TextCall, batch: list[ReadText]) -> Graphs:
        self._watch(None)
        yield from self._fast_graphs(call, [text for text in batch if text.records is not None])
        for text in batch:
            if text.records is None:
                yield from self._plain_graph(call, text)

    def _fast_graphs(self, call: TextCall, batch: list[ReadText]) -> Graphs:
        if not batch:
            return
        mols, records = [t.mol for t in batch], [t.records for t in batch if t.records]
        try:
            yield batch, self._path.graphs(mols, records, self._watch_of(batch))
        except CannotCutError as error:
            yield from self._fast_graphs(call, _without(error.reasons, batch, call))

    def _watch_of(self, batch: list[ReadText]) -> Watch:
        """Return the watch for the places of a batch."""
        return lambda place: self._watch(None if place is None else batch[place].position)

    def _plain_graph(self, call: TextCall, text: ReadText) -> Graphs:
        self._watch(text.position)
        try:
            step = partial(self._watch, text.position)
            graph = plain_graph(text.mol, self.options.cut, self._rows, step)
            yield [text], columns_of_one(graph)
        except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
            call.cannot_cut(text, str(error))

    def _identities(self, batch: list[ReadText]) -> dict[int, bytes]:
        """Return the identities of the molecules by position; nothing without ``dedup``."""
        if not self.options.dedup:
            return {}
        return {text.position: self._identity(text) for text in batch}

    def _identity(self, text: ReadText) -> bytes:
        self._watch(text.position)
        if text.mol is not None:
            return identity_of_molecule(text.mol)
        if self.options.input_format in ("sequence", "fasta"):
            return identity_of_text(text.text)
        read = Chem.MolFromHELM if helm_residues(text.text) else Chem.MolFromSequence
        return identity_of_molecule(read(text.text))

    def _add(
        self, added: dict[str, dict[int, Any]], batch: list[ReadText], log: RdkitMessages
    ) -> None:
        """Add the values of the molecules to those of each column, by position."""
        self._watch(None)
        prepare(self.options.add, self.options.monomers)
        for text in batch:
            self._watch(text.position)
            mol = text.mol or self._read_molecule(log, text.position, text.text).mol
            values = values_of(mol, self.options.add, self.options.monomers)
            for name, value in values.items():
                added[name][text.position] = value


def _all(wanted: npt.NDArray[np.bool_]) -> list[int]:
    return list(map(int, np.flatnonzero(wanted)))


def _check_types(texts: Sequence[str]) -> None:
    """Raise TypeError for anything but strings, for example a missing value of a table."""
    if isinstance(texts, str):
        raise TypeError("expected several texts; use featurize for one text")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {position} is {text!r:.50}, not a string; leave it out")


def _without(reasons: dict[int, str], batch: list[ReadText], call: TextCall) -> list[ReadText]:
    """Reject the texts at some places of a batch, and return the others."""
    for place, reason in reasons.items():
        call.cannot_cut(batch[place], reason)
    return [text for place, text in enumerate(batch) if place not in reasons]


def featurize(text: str, cut: str = "adafrag") -> HeteroGraph:
    """Return the heterograph of one SMILES.

    Raises:
        InvalidMoleculeError: the text has no graph.
        InputError: the cut is unknown.
    """
    return Featurizer(FeaturizeOptions(cut=cut)).featurize(text)
