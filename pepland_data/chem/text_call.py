"""One call of the featurizer: its texts, what was read of them, and what is said about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from pepland_data.chem.conversion import FeaturizeOptions, Note, Reject
from pepland_data.chem.fast.rdkit_records import RdkitRecords
from pepland_data.chem.notation.detect import detect_notation, is_molblock
from pepland_data.chem.notation.molblock import smiles_of_molblock
from pepland_data.chem.notation.parse import MAX_TEXT
from pepland_data.chem.notation.residue_letters import nucleotide_note
from pepland_data.chem.notation.standardize import standardized
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.errors import InvalidMoleculeError

Watch = Callable[[int | None], None]
"""Called before each step with the position of its text, or None; see `Featurizer`."""


class ReadText(NamedTuple):
    """A text that has been read."""

    position: int
    text: str
    mol: Any = None
    """Its RDKit molecule; None for a text that needs no molecule."""
    records: RdkitRecords | None = None
    """None if the molecule takes the plain path."""
    noted: bool = False
    """Whether there is a note about it."""


class TextCall:
    """The texts of a call by their positions, with rejects and notes."""

    def __init__(
        self, texts: Sequence[str], options: FeaturizeOptions, log: RdkitMessages, watch: Watch
    ) -> None:
        self.texts, self._options, self.log, self._watch = texts, options, log, watch
        self.rejects: list[Reject] = []
        self.notes: list[Note] = []
        self.renamed: dict[int, str] = {}
        """Position -> the SMILES of a mol block or of a standardized text."""

    def prepare(self) -> None:
        """Replace mol blocks by SMILES, and SMILES by standardized ones."""
        if self._options.input_format in ("auto", "smiles"):
            for position in [i for i, text in enumerate(self.texts) if is_molblock(text)]:
                self._read_molblock(position)
            self._rename()
        if self._options.standardize:
            rejected = self.rejected
            for position in [i for i in range(len(self.texts)) if i not in rejected]:
                self._standardize(position)
            self._rename()

    @property
    def rejected(self) -> set[int]:
        """The positions of the rejects so far."""
        return {reject.position for reject in self.rejects}

    def read(
        self, positions: Sequence[int], size: int, read: Callable[[int, str], ReadText]
    ) -> Iterator[list[ReadText]]:
        """Read texts in batches of at most `size`; those that cannot be read become rejects."""
        for start in range(0, len(positions), size):
            self._watch(None)
            self.log.take()  # messages about fragments, which come only while a fragment is new
            batch = [self._read_one(i, read) for i in positions[start : start + size]]
            if done := [text for text in batch if text]:
                yield done

    def cannot_cut(self, text: ReadText, reason: str) -> None:
        """Reject a text with a fragment that RDKit cannot sanitise."""
        why = f"a fragment does not sanitise: {reason}"
        self.rejects.append(Reject(text.position, text.text, "cut", why))

    def _read_one(self, position: int, read: Callable[[int, str], ReadText]) -> ReadText | None:
        text = self.texts[position]
        try:
            done = read(position, text)
        except InvalidMoleculeError as error:
            self.rejects.append(Reject(position, text, error.stage, error.reason))
            self.log.take()
            return None
        said = [*self.log.take(), *filter(None, [nucleotide_note(text)])]
        self.notes += [Note(position, "warning", text, line) for line in said]
        return done._replace(noted=True) if said else done

    def _read_molblock(self, position: int) -> None:
        self._watch(position)
        limit = self._options.max_atoms
        try:
            smiles = smiles_of_molblock(self.texts[position], limit, self.log)
        except InvalidMoleculeError as error:
            self.rejects.append(Reject(position, error.text, error.stage, error.reason))
            self.log.take()
            return
        self.renamed[position] = smiles
        self.notes += [Note(position, "warning", smiles, line) for line in self.log.take()]

    def _standardize(self, position: int) -> None:
        text = self.texts[position]
        notation = detect_notation(text, self._options.input_format)
        if notation not in ("smiles", "either") or len(text) > MAX_TEXT or "\0" in text:
            return
        self._watch(position)
        new, steps = standardized(text)
        self.log.take()
        if new != text:
            self.renamed[position] = new
            self.notes.append(Note(position, "changed", text, steps))

    def _rename(self) -> None:
        if self.renamed:
            self.texts = [self.renamed.get(i, text) for i, text in enumerate(self.texts)]
