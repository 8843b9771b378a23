"""The entry of the package: texts to heterographs.

`Featurizer.convert` reads the texts and makes their graphs in batches: sequences with
`fast.sequence_path`, SMILES of known pieces with `smiles.smiles_path`, other texts with RDKit
(`notation`). Molecules become graphs with `fast.fast_path`, unusual ones with `plain_path`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from pepland_data.chem.conversion import Converted, FeaturizeOptions, Note, Reject
from pepland_data.chem.fast.fast_path import CannotCutError, FastPath
from pepland_data.chem.fast.rdkit_records import (
    RdkitRecords,
    layout_is_known,
    read_rdkit_records,
)
from pepland_data.chem.fast.sequence_path import SequencePath, helm_residues
from pepland_data.chem.features import feature_factory
from pepland_data.chem.notation.detect import detect_notation, is_molblock
from pepland_data.chem.notation.helm import load_monomers
from pepland_data.chem.notation.molblock import smiles_of_molblock
from pepland_data.chem.notation.molecule_identity import (
    identity_array,
    identity_of_molecule,
    identity_of_text,
)
from pepland_data.chem.notation.parse import (
    MAX_TEXT,
    check_sequence,
    check_size,
    check_text,
    parse,
)
from pepland_data.chem.notation.residue_letters import nucleotide_note
from pepland_data.chem.notation.standardize import standardized
from pepland_data.chem.plain_path import check_atom, plain_graph
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.chem.reader_choice import choose_readers
from pepland_data.chem.smiles.check import GraphCheck
from pepland_data.chem.smiles.known_pieces import KnownPieces
from pepland_data.chem.smiles.smiles_path import SmilesBatch
from pepland_data.errors import DifferentGraphError, InvalidMoleculeError
from pepland_data.graph.columns import GraphColumns, columns_of_one, concat, empty_columns
from pepland_data.graph.feature_tables import FeatureTables
from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.graph.table_builder import TableBuilder

BATCH = 256
"""Molecules that become graphs at once."""
SEQUENCE_BATCH = 4096
"""Sequences that become graphs at once."""
SMILES_BATCH = 512
"""SMILES that are read as written at once."""
MAX_FRAGMENT_ROWS = 200_000
"""A featurizer with more distinct fragments forgets its tables and caches before the next call."""


class _Text(NamedTuple):
    """A text that has been read."""

    position: int
    text: str
    mol: Any = None
    """Its RDKit molecule; None for a sequence that needs no molecule."""
    records: RdkitRecords | None = None
    """None if the molecule takes the plain path."""
    noted: bool = False
    """Whether there is a note about it."""


Graphs = Iterator[tuple[list[_Text], GraphColumns]]
"""Batches of texts and their graphs."""
Read = Callable[
    [Sequence[int], int, Callable[[int, str, RdkitMessages], _Text]], Iterator[list[_Text]]
]
"""`Featurizer._read` of some texts."""


class Featurizer:
    """Turns texts into graphs and remembers every distinct atom, bond and piece."""

    def __init__(
        self,
        options: FeaturizeOptions | None = None,
        *,
        fast: bool = True,
        watch: Callable[[int | None], None] = lambda position: None,
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
        rejects: list[Reject] = []
        notes: list[Note] = []
        parts, kept = [empty_columns()], [np.zeros(0, np.int64)]
        identity: dict[int, bytes] = {}
        with RdkitMessages() as log:
            self._watch(None)
            feature_factory(), layout_is_known()  # once per process; no text pays for it
            blocks = self._smiles_of_molblocks(texts, log, rejects, notes)
            texts = [blocks.get(i, text) for i, text in enumerate(texts)] if blocks else texts
            texts, renamed = self._standardize(texts, log, notes)
            renamed = {i: smiles for i, smiles in blocks.items() if smiles} | renamed
            for batch, columns in self._read_and_convert(texts, log, rejects, notes):
                parts.append(columns)
                kept.append(np.array([text.position for text in batch], np.int64))
                identity |= self._identities(batch)
            self._watch(None)
        columns, places = concat(parts), np.concatenate(kept)
        order = np.argsort(places)
        if np.any(order[1:] < order[:-1]):
            columns, places = columns.take(order), places[order]
        rejects.sort(key=lambda reject: reject.position)
        notes.sort(key=lambda note: note.position)
        identities = identity_array(identity, places.tolist())
        return Converted(columns, self.tables, places, rejects, notes, renamed, identities)

    def _smiles_of_molblocks(
        self, texts: Sequence[str], log: RdkitMessages, rejects: list[Reject], notes: list[Note]
    ) -> dict[int, str]:
        """Return the SMILES of each mol block by position; '' for one that becomes a reject."""
        found: dict[int, str] = {}
        if self.options.input_format not in ("auto", "smiles"):
            return found
        for position in [i for i, text in enumerate(texts) if is_molblock(text)]:
            self._watch(position)
            try:
                found[position] = smiles_of_molblock(texts[position], self.options.max_atoms, log)
            except InvalidMoleculeError as error:
                found[position] = ""
                rejects.append(Reject(position, error.text, error.stage, error.reason))
                log.take()
            notes += [Note(position, "warning", found[position], line) for line in log.take()]
        return found

    def _standardize(
        self, texts: Sequence[str], log: RdkitMessages, notes: list[Note]
    ) -> tuple[Sequence[str], dict[int, str]]:
        """Return the texts after standardization, and the changed ones by position."""
        if not self.options.standardize:
            return texts, {}
        renamed: dict[int, str] = {}
        for position, text in enumerate(texts):
            if detect_notation(text, self.options.input_format) not in ("smiles", "either"):
                continue
            if len(text) > MAX_TEXT or "\0" in text:
                continue
            self._watch(position)
            new, steps = standardized(text)
            log.take()
            if new != text:
                renamed[position] = new
                notes.append(Note(position, "changed", text, steps))
        return [renamed.get(i, text) for i, text in enumerate(texts)], renamed

    def _read_and_convert(
        self, texts: Sequence[str], log: RdkitMessages, rejects: list[Reject], notes: list[Note]
    ) -> Graphs:
        """Read all texts and make their graphs, the sequences first."""
        rejected = {reject.position for reject in rejects}
        readers = choose_readers(texts, self.options, rejected, self._fast)
        read = partial(self._read, texts, log, rejects, notes)
        for batch in read(readers.sequences, SEQUENCE_BATCH, self._read_sequence):
            yield batch, self._sequences.graphs([text.text for text in batch])
        for batch in read(readers.linear, SEQUENCE_BATCH, self._read_linear):
            yield batch, self._sequences.helm_graphs([text.text for text in batch])
        asked: list[_Text] = []
        written = list(readers.written.items())
        for start in range(0, len(written), SMILES_BATCH):
            smiles = dict(written[start : start + SMILES_BATCH])
            yield from self._smiles(texts, smiles, read, asked, rejects)
        yield from self._graphs(asked, rejects)
        for batch in read(readers.others, BATCH, self._read_molecule):
            yield from self._graphs(batch, rejects)

    def _smiles(
        self,
        texts: Sequence[str],
        smiles: dict[int, str],
        read: Read,
        asked: list[_Text],
        rejects: list[Reject],
    ) -> Graphs:
        """Make the graphs of SMILES whose pieces are known.

        RDKit reads one text for each unknown piece, then those that only it can read. Their graphs
        are made in batches; at the end, `asked` holds those that still have none.

        Args:
            texts: all texts of the call.
            smiles: position -> SMILES of the texts to read.
            read: `_read` of all texts.
            asked: molecules that RDKit read.
            rejects: texts without a graph are added here.
        """
        self._watch(None)
        self._known.make_room()
        self._readings["smiles"] += len(smiles)
        batch = SmilesBatch(list(smiles.values()), self._known, self._path.distinct)
        positions, left = list(smiles), np.ones(len(smiles), bool)
        for choose in (batch.to_ask, _all):
            rows = choose(left & ~batch.known(self.options.max_atoms))
            left[rows] = False
            for molecules in read([positions[row] for row in rows], BATCH, self._read_molecule):
                self._remember(batch, molecules, positions)
                asked += molecules
                if len(asked) >= BATCH:
                    yield from self._graphs(asked, rejects)
                    asked.clear()
        chosen = left & batch.known(self.options.max_atoms)
        self._readings["without_rdkit"] += int(chosen.sum())
        found = [_Text(positions[row], texts[positions[row]]) for row in _all(chosen)]
        yield from self._written_graphs(batch, chosen, found, rejects)

    @staticmethod
    def _remember(batch: SmilesBatch, molecules: list[_Text], positions: Sequence[int]) -> None:
        """Remember the pieces of SMILES that RDKit read without a message."""
        for text in molecules:
            if text.records is not None and not text.noted:
                batch.learn(bisect_left(positions, text.position), text.mol, text.records)

    def _written_graphs(
        self,
        batch: SmilesBatch,
        chosen: npt.NDArray[np.bool_],
        found: list[_Text],
        rejects: list[Reject],
    ) -> Graphs:
        """Make the graphs of the chosen SMILES, and compare a share of them with RDKit's."""
        if not found:
            return
        molecules, watch = batch.molecules(chosen), self._watch_of(found)
        try:
            columns = self._path.graphs_of_batch(molecules, watch)
        except CannotCutError as error:
            rejects += [_cut_reject(found[i], reason) for i, reason in error.reasons.items()]
            chosen[np.flatnonzero(chosen)[list(error.reasons)]] = False
            rest = [text for i, text in enumerate(found) if i not in error.reasons]
            yield from self._written_graphs(batch, chosen, rest, rejects)
            return
        for i, smiles in enumerate(batch.texts[row] for row in _all(chosen)):
            if self._check.chooses(smiles):
                watch(i)
                if self._check.differs(smiles, columns.slice(i, i + 1), self._rows):
                    raise DifferentGraphError(found[i].text, found[i].position)
        watch(None)
        yield found, columns

    def _read(
        self,
        texts: Sequence[str],
        log: RdkitMessages,
        rejects: list[Reject],
        notes: list[Note],
        positions: Sequence[int],
        size: int,
        read: Callable[[int, str, RdkitMessages], _Text],
    ) -> Iterator[list[_Text]]:
        """Read texts in batches of `size`; add those that cannot be read to the rejects."""
        for start in range(0, len(positions), size):
            self._watch(None)
            log.take()  # messages about fragments, which come only while a fragment is new
            batch = []
            for position in positions[start : start + size]:
                text = texts[position]
                try:
                    batch.append(read(position, text, log))
                except InvalidMoleculeError as error:
                    rejects.append(Reject(position, text, error.stage, error.reason))
                    log.take()
                else:
                    said = [*log.take(), *filter(None, [nucleotide_note(text)])]
                    notes += [Note(position, "warning", text, line) for line in said]
                    batch[-1] = batch[-1]._replace(noted=bool(said))
            if batch:
                yield batch

    def _read_sequence(self, position: int, text: str, log: RdkitMessages) -> _Text:
        check_text(text)
        check_sequence(text)
        check_size(text, self._sequences.num_atoms(text), self.options.max_atoms)
        return _Text(position, text)

    def _read_linear(self, position: int, text: str, log: RdkitMessages) -> _Text:
        check_text(text)
        check_size(text, self._sequences.num_atoms_of_helm(text), self.options.max_atoms)
        return _Text(position, text)

    def _read_molecule(self, position: int, text: str, log: RdkitMessages) -> _Text:
        options = self.options
        if detect_notation(text, options.input_format) == "helm":
            self._watch(None)
            load_monomers(options.monomers)
        self._watch(position)
        mol = parse(text, options.input_format, options.max_atoms, log, options.monomers)
        records = read_rdkit_records(mol) if self._fast else None
        if records is None:
            atoms = sorted((a.GetAtomicNum(), int(a.GetChiralTag())) for a in mol.GetAtoms())
        else:
            atoms = self._path.distinct.unsupported_atoms(records.atoms)
        for number, chiral in atoms:
            check_atom(text, number, chiral)
        return _Text(position, text, mol, records)

    def _graphs(self, batch: list[_Text], rejects: list[Reject]) -> Graphs:
        self._watch(None)
        yield from self._fast_graphs([text for text in batch if text.records is not None], rejects)
        for text in batch:
            if text.records is None:
                yield from self._plain_graph(text, rejects)

    def _fast_graphs(self, batch: list[_Text], rejects: list[Reject]) -> Graphs:
        if not batch:
            return
        mols, records = [t.mol for t in batch], [t.records for t in batch if t.records]
        try:
            yield batch, self._path.graphs(mols, records, self._watch_of(batch))
        except CannotCutError as error:
            rejects += [_cut_reject(batch[i], reason) for i, reason in error.reasons.items()]
            rest = [text for i, text in enumerate(batch) if i not in error.reasons]
            yield from self._fast_graphs(rest, rejects)

    def _watch_of(self, batch: list[_Text]) -> Callable[[int | None], None]:
        """Return the watch for the places of a batch."""
        return lambda place: self._watch(None if place is None else batch[place].position)

    def _plain_graph(self, text: _Text, rejects: list[Reject]) -> Graphs:
        self._watch(text.position)
        try:
            step = partial(self._watch, text.position)
            graph = plain_graph(text.mol, self.options.cut, self._rows, step)
            yield [text], columns_of_one(graph)
        except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
            rejects.append(_cut_reject(text, str(error)))

    def _identities(self, batch: list[_Text]) -> dict[int, bytes]:
        """Return the identities of the molecules by position; nothing without ``dedup``."""
        if not self.options.dedup:
            return {}
        return {text.position: self._identity(text) for text in batch}

    def _identity(self, text: _Text) -> bytes:
        self._watch(text.position)
        if text.mol is not None:
            return identity_of_molecule(text.mol)
        if self.options.input_format in ("sequence", "fasta"):
            return identity_of_text(text.text)
        read = Chem.MolFromHELM if helm_residues(text.text) else Chem.MolFromSequence
        return identity_of_molecule(read(text.text))


def _all(wanted: npt.NDArray[np.bool_]) -> list[int]:
    return list(map(int, np.flatnonzero(wanted)))


def _check_types(texts: Sequence[str]) -> None:
    """Raise TypeError for anything but strings, for example a missing value of a table."""
    if isinstance(texts, str):
        raise TypeError("expected several texts; use featurize for one text")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {position} is {text!r:.50}, not a string; leave it out")


def _cut_reject(text: _Text, reason: str) -> Reject:
    why = f"a fragment does not sanitise: {reason}"
    return Reject(text.position, text.text, "cut", why)


def featurize(text: str, cut: str = "adafrag") -> HeteroGraph:
    """Return the heterograph of one SMILES.

    Raises:
        InvalidMoleculeError: the text has no graph.
        InputError: the cut is unknown.
    """
    return Featurizer(FeaturizeOptions(cut=cut)).featurize(text)
