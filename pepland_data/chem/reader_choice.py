"""Which reader takes a text: templates of residues, SMILES as written, or RDKit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rdkit import Chem

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.fast.rdkit_records import layout_is_known
from pepland_data.chem.fast.sequence_path import helm_residues
from pepland_data.chem.monomers.library import library_of
from pepland_data.chem.notation.detect import detect_notation
from pepland_data.chem.notation.helm import smiles_of_translated
from pepland_data.chem.notation.helm_smiles import helm_smiles
from pepland_data.chem.notation.parse import MAX_TEXT
from pepland_data.chem.notation.written.read import is_written, written_helm
from pepland_data.errors import InvalidMoleculeError


@dataclass
class Readers:
    """Positions of texts by their reader."""

    sequences: list[int] = field(default_factory=list)
    """Sequences of natural residues."""
    linear: list[int] = field(default_factory=list)
    """HELM of one chain of residues with templates."""
    written: dict[int, str] = field(default_factory=dict)
    """Position -> its SMILES, which may be made of known pieces."""
    others: list[int] = field(default_factory=list)
    """For RDKit or helmkit."""


def choose_readers(
    texts: Sequence[str], options: FeaturizeOptions, left_out: Collection[int], fast: bool
) -> Readers:
    """Return the reader of each text.

    Args:
        texts: all texts of a call.
        options: the options of the featurizer.
        left_out: positions of texts that are not read.
        fast: False leaves all texts to RDKit.
    """
    readers = Readers()
    as_written = fast and reads_as_written(options)
    for position, text in enumerate(texts):
        if position in left_out:
            continue
        notation = detect_notation(text, options.input_format) if fast else ""
        if notation == "sequence":
            readers.sequences.append(position)
        elif notation == "helm" and _is_linear(text, options):
            readers.linear.append(position)
        elif as_written and (smiles := _smiles(text, notation, options)):
            readers.written[position] = smiles
        else:
            readers.others.append(position)
    return readers


def reads_as_written(options: FeaturizeOptions) -> bool:
    """Return whether SMILES may be read without RDKit.

    ``dedup`` needs molecules. The proof needs RDKit's exact search of rings (2026.09 and later).
    """
    exact_rings = hasattr(Chem, "SetUseLegacyRingFinding")
    return exact_rings and layout_is_known() and not (options.dedup or options.rdkit_only)


def _is_linear(text: str, options: FeaturizeOptions) -> bool:
    """Return whether a HELM text is a peptide with templates, which RDKit would read."""
    return bool(helm_residues(text)) and not library_of(options.monomers).overrides_rdkit(text)


def _smiles(text: str, notation: str, options: FeaturizeOptions) -> str | None:
    """Return the SMILES of a text, None if it has none that may be read as written."""
    if (not text.isascii() and not is_written(notation)) or "\0" in text or len(text) > MAX_TEXT:
        return None
    if notation == "helm":
        return helm_smiles(text, options.monomers)
    if is_written(notation):
        return _smiles_of_written(text, notation, options)
    return text if notation == "smiles" else None


def _smiles_of_written(text: str, notation: str, options: FeaturizeOptions) -> str | None:
    """Return the SMILES of a text in a notation of chemists, None for what `parse` rejects."""
    form, small, given = options.input_format, options.lowercase, options.monomers
    try:
        return smiles_of_translated(text, written_helm(text, notation, form, small, given), given)
    except InvalidMoleculeError:
        return None
