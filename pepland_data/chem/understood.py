"""What was understood of a text: its notation, its molecule with HELM and masses, and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors, rdMolDescriptors

from pepland_data.chem.conversion import Converted, FeaturizeOptions, Reject
from pepland_data.chem.featurizer import Featurizer
from pepland_data.chem.notation.detect import SEQUENCE_LETTERS, detect_notation, is_molblock
from pepland_data.chem.notation.parse import MAX_TEXT, parse, recognised
from pepland_data.chem.notation.written.shapes import thorough_notation
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.chem.residues.to_helm import WrittenHelm, helm_of_molecule

AMBIGUOUS = (
    "each letter may be an atom or a residue; the text was read as {}, and --input-format "
    "{} reads it in the other way"
)


@dataclass(frozen=True)
class Molecule:
    """Facts about the molecule of a text."""

    smiles: str
    """Canonical SMILES."""
    helm: str | None
    no_helm: str
    """Why there is no HELM; '' if there is one."""
    formula: str
    average_mass_da: float
    monoisotopic_mass_da: float
    charge: int
    atoms: int
    """Heavy atoms."""
    residues: int
    """Residues in the HELM, 0 without HELM."""
    rings: int
    """Smallest rings: a macrocycle counts, as a phenyl ring does."""


@dataclass(frozen=True)
class Understood:
    """What a text is, or why it is rejected."""

    text: str
    notation: str
    """``SMILES``, ``sequence``, ``HELM``..., as it was read or tried; for a reject also the name of
    a notation that is not read."""
    molecule: Molecule | None
    """None for a reject."""
    reject: Reject | None = None
    notes: list[str] = field(default_factory=list)
    """Changes and warnings, as a build records them."""


def understood(texts: Sequence[str], options: FeaturizeOptions) -> list[Understood]:
    """Return what a build with these options would understand of each text.

    Args:
        texts: texts in any notation.
        options: options of the build; limits of time and memory do not apply.

    Raises:
        MissingDependencyError: helmkit is not installed.
    """
    done = Featurizer(options, fast=False).convert(texts)
    rejects = {reject.position: reject for reject in done.rejects}
    with RdkitMessages() as log:
        return [
            _understood(place, text, options, done, rejects.get(place), log)
            for place, text in enumerate(texts)
        ]


def _understood(
    place: int,
    text: str,
    options: FeaturizeOptions,
    done: Converted,
    reject: Reject | None,
    log: RdkitMessages,
) -> Understood:
    notes = [note.note for note in done.notes if note.position == place]
    notation = detect_notation(text, options.input_format)
    if (notation, options.input_format) == ("smiles", "auto") and not _is_smiles(text):
        notation = thorough_notation(text) or notation
    if notation == "either":
        notation, other = _meant(text)
        notes.append(AMBIGUOUS.format(_shown(notation), other))
    shown = "mol block" if is_molblock(text) else _shown(notation)
    if SEQUENCE_LETTERS.issuperset(text) and notation == "three-letter" != options.input_format:
        shown = "sequence"  # with U or O
    if reject and shown == "SMILES" and not _is_smiles(text):
        shown = recognised(text) or shown
    if reject:
        return Understood(text, shown, None, reject, notes)
    read = done.renamed.get(place, text)
    mol = parse(
        read, options.input_format, options.max_atoms, log, options.monomers, options.lowercase
    )
    return Understood(
        text, shown, _facts(mol, helm_of_molecule(mol, options.monomers)), None, notes
    )


def _meant(text: str) -> tuple[str, str]:
    """Return the notation of a text of letters that are all atoms, and the other one."""
    return ("smiles", "sequence") if _is_smiles(text) else ("sequence", "smiles")


def _is_smiles(text: str) -> bool:
    with rdBase.BlockLogs():
        return len(text) <= MAX_TEXT and Chem.MolFromSmiles(text) is not None


def _shown(notation: str) -> str:
    return notation.upper() if notation in ("smiles", "helm") else notation


def _facts(mol: Any, helm: WrittenHelm) -> Molecule:
    return Molecule(
        smiles=Chem.MolToSmiles(mol),
        helm=helm.text,
        no_helm=helm.reason,
        formula=rdMolDescriptors.CalcMolFormula(mol),
        average_mass_da=round(Descriptors.MolWt(mol), 4),  # type: ignore[attr-defined]
        monoisotopic_mass_da=round(rdMolDescriptors.CalcExactMolWt(mol), 5),
        charge=Chem.GetFormalCharge(mol),
        atoms=mol.GetNumHeavyAtoms(),
        residues=helm.residues,
        rings=mol.GetRingInfo().NumRings(),
    )
