"""A text becomes a molecule, or a reason why it cannot."""

from __future__ import annotations

import re
from typing import Any

from rdkit import Chem

from pepland_data.errors import InvalidMoleculeError
from pepland_data.helm import read_helm
from pepland_data.rdkit_log import RdkitMessages

MAX_TEXT = 100_000
"""Longer texts are refused before RDKit sees them (characters)."""

AMINO_ACIDS = frozenset("ACDEFGHIKLMNPQRSTVWY")
NEVER_SMILES = AMINO_ACIDS - frozenset("CFINPSV")
"""Letters that stand for no atom of a SMILES: a text of residues that holds one is a sequence."""
MAX_REASON = 200
BRACKET_ATOM = re.compile(r"\[[^\]]*\]")
ORGANIC_ATOM = re.compile(r"[BCNOPSFIbcnops]")


def kind_of(text: str, input_format: str) -> str:
    """Return how a text is to be read: ``smiles``, ``sequence``, ``helm`` or ``either``.

    With ``auto``, a text with ``{`` and ``$`` is HELM; residue letters of which one stands for no
    atom are a sequence; other residue letters are a SMILES if they are one, else a sequence.
    """
    if input_format != "auto":
        return "sequence" if input_format == "fasta" else input_format
    if "{" in text and "$" in text:
        return "helm"
    if text and AMINO_ACIDS.issuperset(text):
        return "either" if NEVER_SMILES.isdisjoint(text) else "sequence"
    return "smiles"


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
        input_format: one of `pepland_data.conversion.INPUT_FORMATS`.
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
    if mol is None:
        raise InvalidMoleculeError(text, "parse", f"RDKit cannot read this {_explain(kind, log)}")
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
    if not AMINO_ACIDS.issuperset(text):
        unknown = sorted(set(text) - AMINO_ACIDS)[0]
        raise InvalidMoleculeError(text, "parse", f"{unknown!r} is none of the twenty amino acids")


def _read_sequence(text: str) -> Any:
    check_sequence(text)
    return Chem.MolFromSequence(text)


def _read_either(text: str) -> Any:
    return Chem.MolFromSmiles(text) or Chem.MolFromSequence(text)


_READERS: dict[str, Any] = {
    "smiles": Chem.MolFromSmiles,
    "sequence": _read_sequence,
    "either": _read_either,
    "helm": read_helm,
}


_NAMES = {"smiles": "SMILES", "sequence": "sequence", "either": "sequence", "helm": "HELM"}


def _explain(kind: str, log: RdkitMessages) -> str:
    """Return the kind of text and RDKit's last word on it, without the text itself."""
    said = [line for line in log.take() if " " in line]
    why = said[-1] if said else ""
    why = why.removeprefix("SMILES Parse Error: ").split(" for input:")[0].split(" SMILES '")[0]
    for line in said:
        if "check for mistakes" in line:
            why = "syntax error" + line.partition("mistakes")[2].rstrip(":")
    return f"{_NAMES[kind]}: {why[:MAX_REASON]}" if why else _NAMES[kind]
