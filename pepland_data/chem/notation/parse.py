"""Check a text and read it as a molecule; an error says why a text cannot be read."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from rdkit import Chem

from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.notation.alphabet import NEVER_SMILES
from pepland_data.chem.notation.detect import detect_notation
from pepland_data.chem.notation.foreign import (
    MOST,
    SMALL_LETTERS,
    foreign_notation,
    foreign_reason,
    is_small_sequence,
    sequence_reason,
)
from pepland_data.chem.notation.helm import read_helm, smiles_of_translated
from pepland_data.chem.notation.odd_letters import odd_letter
from pepland_data.chem.notation.residue_letters import sequence_fault
from pepland_data.chem.notation.written.read import is_written, written_helm
from pepland_data.chem.notation.written.shapes import thorough_notation
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.errors import InvalidMoleculeError

MAX_TEXT = 100_000
"""Longer texts are rejected without being read (characters)."""
MAX_REASON = 200
"""RDKit's messages are shortened to this many characters."""
BRACKET_ATOM = re.compile(r"\[[^\]]*\]")
SEQUENCE_LIKE = re.compile(rf"[A-Z\d\s*\-.~,;:/|_']{{2,}}|{SMALL_LETTERS.pattern}")
"""Letters, gaps, stop signs and what may stand between: perhaps intended as a sequence."""
NO_ATOMS = NEVER_SMILES | frozenset("XJZU")
"""Capital letters that are no atoms of SMILES."""
QUOTES = "\"'`"
READABLE = "HELM or SMILES"
ORGANIC_ATOM = re.compile(r"[BCNOPSFIbcnops]")


def check_text(text: str) -> None:
    """Raise InvalidMoleculeError for a text that is empty, too long or has a NUL character."""
    if not text.strip():
        raise InvalidMoleculeError(text, "parse", "the text is empty")
    if len(text) > MAX_TEXT:
        reason = f"{len(text):,} characters are more than the {MAX_TEXT:,} allowed"
        raise InvalidMoleculeError(text, "limits", reason)
    if "\0" in text:
        raise InvalidMoleculeError(text, "parse", "the text holds a NUL character")


def parse(
    text: str,
    input_format: str,
    max_atoms: int,
    log: RdkitMessages,
    monomers: GivenMonomers | None = None,
    lowercase: str = "refuse",
) -> Any:
    """Return the sanitised molecule of a text.

    Args:
        text: SMILES, sequence, HELM, or a notation of `written`.
        input_format: one of `pepland_data.chem.conversion.INPUT_FORMATS`.
        max_atoms: a molecule with more atoms raises an error.
        log: must be entered by the caller; its messages explain a failure.
        monomers: monomers of HELM beside the bundled ones.
        lowercase: what small letters mean; ``refuse`` or ``d-amino``.

    Raises:
        InvalidMoleculeError: with stage ``parse`` or ``limits``.
    """
    check_text(text)
    notation = detect_notation(text, input_format)
    written = partial(_read_written, text, input_format, max_atoms, lowercase, monomers)
    if is_written(notation):
        return written(notation)
    if notation == "smiles":
        if len(text) > max_atoms:  # RDKit needs seconds for polymers
            check_size(text, max(_min_atoms(text), 1), max_atoms)
        check_letters(text)
    mol = read_helm(text, monomers) if notation == "helm" else _READERS[notation](text)
    if mol is None and notation == "either":
        log.take()  # these messages are about the SMILES
        mol = _read_sequence(text)
    if mol is None and (notation, input_format) == ("smiles", "auto"):
        found = thorough_notation(text)
        if found:
            log.take()  # the same
            return written(found)
    if mol is None:
        explained = f"RDKit cannot read this {_explain(_NAMES[notation], log)}"
        why = (notation != "helm" and _other_notation(text, input_format)) or explained
        raise InvalidMoleculeError(text, "parse", why)
    check_size(text, mol.GetNumAtoms(), max_atoms)
    return mol


def _read_written(
    text: str,
    input_format: str,
    max_atoms: int,
    lowercase: str,
    monomers: GivenMonomers | None,
    notation: str,
) -> Any:
    """Return the molecule of a text in a notation of `written`."""
    helm = written_helm(text, notation, input_format, lowercase, monomers)
    smiles = smiles_of_translated(text, helm, monomers)
    if smiles is None:
        mol = read_helm(helm, monomers)
    else:
        check_size(text, max(_min_atoms(smiles), 1), max_atoms)
        mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise InvalidMoleculeError(text, "parse", "RDKit cannot make a molecule of its monomers")
    check_size(text, mol.GetNumAtoms(), max_atoms)
    return mol


def _min_atoms(text: str) -> int:
    """Return the number of atoms outside brackets; the molecule has at least as many."""
    return len(ORGANIC_ATOM.findall(BRACKET_ATOM.sub("", text)))


def check_size(text: str, atoms: int, max_atoms: int) -> None:
    """Raise InvalidMoleculeError for a molecule without atoms or with too many."""
    if atoms == 0:
        raise InvalidMoleculeError(text, "parse", "the molecule has no atoms")
    if atoms > max_atoms:
        reason = f"{atoms:,} atoms are more than the {max_atoms:,} allowed"
        raise InvalidMoleculeError(text, "limits", reason)


def check_letters(text: str) -> None:
    """Raise InvalidMoleculeError for a non-ASCII SMILES: RDKit ignores such letters at its ends."""
    if text.isascii():
        return
    for letter in text.split(maxsplit=1)[0]:  # a name may follow
        if not letter.isascii():
            why = foreign_reason(text, READABLE) or odd_letter(text)
            raise InvalidMoleculeError(text, "parse", why)


def check_sequence(text: str) -> None:
    """Raise InvalidMoleculeError if a letter is not one of the twenty amino acids."""
    if sequence_fault(text):
        raise InvalidMoleculeError(text, "parse", _other_format(text) or sequence_reason(text))


def _read_sequence(text: str) -> Any:
    check_sequence(text)
    return Chem.MolFromSequence(text)


_READERS: dict[str, Any] = {
    "smiles": Chem.MolFromSmiles,
    "sequence": _read_sequence,
    "either": Chem.MolFromSmiles,
}
_NAMES = {"smiles": "SMILES", "sequence": "sequence", "either": "sequence", "helm": "HELM"}


def _other_notation(text: str, input_format: str) -> str:
    """Return why a text that RDKit cannot read is no SMILES at all, or ''."""
    if input_format != "auto" and (other := _other_format(text)):
        return other
    if input_format == "auto" and is_like_sequence(text):
        return sequence_reason(text, READABLE)
    return foreign_reason(text, READABLE) or _around(text) or _features(text)


def recognised(text: str) -> str:
    """Return what a text is that could not be read as SMILES: ``sequence``, another name, or ''."""
    name = "" if is_small_sequence(text) else foreign_notation(text[:MOST])
    return name or ("sequence" if is_like_sequence(text) else "")


def is_like_sequence(text: str) -> bool:
    """Return whether a text that could not be read is more like a sequence than like a SMILES."""
    return bool(SEQUENCE_LIKE.fullmatch(text)) and not NO_ATOMS.isdisjoint(text.upper())


def _around(text: str) -> str:
    """Return what stands around or in a text and is no part of a SMILES, or ''."""
    if text[0] in QUOTES and text[-1] == text[0]:
        return "the text is in quotes; delete them"
    if text[-1] in ",;":
        return f"the text ends with {text[-1]!r}; delete it"
    return odd_letter(text)


def _features(text: str) -> str:
    """Return that the CXSMILES behind a readable SMILES is wrong, or ''."""
    smiles, bar, _ = text.partition(" |")
    if bar and Chem.MolFromSmiles(smiles) is not None:
        return "what stands behind the SMILES is no CXSMILES; delete it"
    return ""


def _other_format(text: str) -> str:
    """Return with which format a text can be read, or ''."""
    found = thorough_notation(text)
    name = found and foreign_notation(text[:MOST])
    return f"{name} needs another format; give --input-format {found}" if name else ""


def _explain(name: str, log: RdkitMessages) -> str:
    """Return the name of the notation and RDKit's last message, without the text itself."""
    said = [line for line in log.take() if " " in line]
    why = said[-1] if said else ""
    why = why.removeprefix("SMILES Parse Error: ").split(" for input:")[0].split(" SMILES '")[0]
    for line in said:
        if "check for mistakes" in line:
            why = "syntax error" + line.partition("mistakes")[2].rstrip(":")
    return f"{name}: {why[:MAX_REASON]}" if why else name
