"""A text becomes a molecule, or a reason why it cannot."""

from __future__ import annotations

import re
from typing import Any

from rdkit import Chem

from pepland_data.chem.notation.detect import AMINO_ACIDS, kind_of
from pepland_data.chem.notation.helm import read_helm
from pepland_data.chem.notation.rdkit_messages import RdkitMessages
from pepland_data.errors import InvalidMoleculeError

MAX_TEXT = 100_000
"""Longer texts are refused before RDKit sees them (characters)."""

MAX_REASON = 200
BRACKET_ATOM = re.compile(r"\[[^\]]*\]")
SEQUENCE_LIKE = re.compile(r"[A-Za-z*\- ]{2,}")
"""Letters, gaps and ends of translation: somebody may have meant a sequence."""
ORGANIC_ATOM = re.compile(r"[BCNOPSFIbcnops]")


def check_text(text: str) -> None:
    """Refuse what no reader should see."""
    if not text.strip():
        raise InvalidMoleculeError(text, "parse", "the text is empty")
    if len(text) > MAX_TEXT:
        reason = f"{len(text):,} characters are more than the {MAX_TEXT:,} allowed"
        raise InvalidMoleculeError(text, "limits", reason)
    if "\0" in text:
        raise InvalidMoleculeError(text, "parse", "the text holds a NUL character")


def parse(text: str, input_format: str, max_atoms: int, log: RdkitMessages) -> Any:
    """Return a sanitised molecule of allowed size.

    Args:
        text: SMILES, sequence or HELM.
        input_format: one of `pepland_data.chem.conversion.INPUT_FORMATS`.
        max_atoms: larger molecules are refused.
        log: entered by the caller; its message explains a failure.

    Raises:
        InvalidMoleculeError: with stage ``parse`` or ``limits``.
    """
    check_text(text)
    kind = kind_of(text, input_format)
    if kind == "smiles" and len(text) > max_atoms:  # RDKit takes seconds for polymers
        check_size(text, max(_heavy_atoms(text), 1), max_atoms)
    if kind == "smiles":
        check_letters(text)
    mol = _READERS[kind](text)
    if mol is None and kind == "either":
        log.take()  # what RDKit said of the SMILES it is not
        mol = _read_sequence(text)
    if mol is None:
        why = f"RDKit cannot read this {_explain(kind, log)}{_beside(text, input_format)}"
        raise InvalidMoleculeError(text, "parse", why)
    check_size(text, mol.GetNumAtoms(), max_atoms)
    return mol


def _heavy_atoms(text: str) -> int:
    """Return how many atoms a SMILES writes outside brackets: it has no fewer."""
    return len(ORGANIC_ATOM.findall(BRACKET_ATOM.sub("", text)))


def check_size(text: str, atoms: int, max_atoms: int) -> None:
    """Refuse molecules without an atom and those above the limit."""
    if atoms == 0:
        raise InvalidMoleculeError(text, "parse", "the molecule has no atoms")
    if atoms > max_atoms:
        reason = f"{atoms:,} atoms are more than the {max_atoms:,} allowed"
        raise InvalidMoleculeError(text, "limits", reason)


def check_letters(text: str) -> None:
    """Refuse a SMILES with a letter beyond ASCII, which RDKit drops silently at the ends."""
    if text.isascii():
        return
    for letter in text.split(maxsplit=1)[0]:  # a name may follow
        if not letter.isascii():
            raise InvalidMoleculeError(text, "parse", f"{letter!a} stands for nothing in a SMILES")


def check_sequence(text: str) -> None:
    """Refuse letters that are none of the twenty amino acids."""
    if why := _no_sequence(text):
        raise InvalidMoleculeError(text, "parse", why)


def _no_sequence(text: str) -> str:
    """Return why a text is no sequence, '' where it is one."""
    unknown = next((letter for letter in text if letter not in AMINO_ACIDS), "")
    if not unknown:
        return ""
    if unknown.upper() in AMINO_ACIDS:
        return f"{unknown!r} is a small letter; a sequence has capital letters"
    return f"{unknown!r} is none of the twenty amino acids"


def _read_sequence(text: str) -> Any:
    check_sequence(text)
    return Chem.MolFromSequence(text)


_READERS: dict[str, Any] = {
    "smiles": Chem.MolFromSmiles,
    "sequence": _read_sequence,
    "either": Chem.MolFromSmiles,
    "helm": read_helm,
}


_NAMES = {"smiles": "SMILES", "sequence": "sequence", "either": "sequence", "helm": "HELM"}


def _beside(text: str, input_format: str) -> str:
    """Return why a text is no sequence either, where it might have been meant as one."""
    if input_format != "auto" or not SEQUENCE_LIKE.fullmatch(text):
        return ""
    return f"; as a sequence: {_no_sequence(text)}"


def _explain(kind: str, log: RdkitMessages) -> str:
    """Return the kind of text and RDKit's last word on it, without the text itself."""
    said = [line for line in log.take() if " " in line]
    why = said[-1] if said else ""
    why = why.removeprefix("SMILES Parse Error: ").split(" for input:")[0].split(" SMILES '")[0]
    for line in said:
        if "check for mistakes" in line:
            why = "syntax error" + line.partition("mistakes")[2].rstrip(":")
    return f"{_NAMES[kind]}: {why[:MAX_REASON]}" if why else _NAMES[kind]
