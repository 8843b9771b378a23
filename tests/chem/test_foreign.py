"""Texts in notations that are not read are rejected by name; no readable text changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepland_data.chem.conversion import FeaturizeOptions, Reject
from pepland_data.chem.featurizer import Featurizer

READ = {
    "three-letter codes": [
        "Ac-Ala-Gly-Phe-NH2", "H-Tyr-Gly-Gly-Phe-Met-OH", "AlaGlyPhe", "ALA-GLY-PHE", "Ala Gly",
        "H-D-Phe-Pro-Arg-pNA", "pGlu-His-Pro-NH2", "Ac-Ala-NH2",
    ],
    "cyclo(...)": ["cyclo(RGDfK)", "c(RGDfK)", "cyclo[Arg-Gly-Asp-D-Phe-Lys]", "Cyclo-(RGDyK)"],
    "named ends": ["Ac-DEVD-CHO", "H-RGD-OH", "Suc-AAPF-pNA", "DEVD-NH2", "Z-VAD-FMK"],
    "modified residues in brackets": [
        "ACDE(pS)K", "A[dA]C", "EM[Oxidation]EVEES[Phospho]PEK", "[Acetyl]-EMEVEES[+79.966]PEK",
    ],
    "BILN": ["A-C(1,3)-D-E-C(1,3)", "A-C-D-E"],
}  # fmt: skip
"""Texts that other formats read."""
NAMES = {
    "InChI ": ["InChI=1S/C2H5NO2/c3-1-2(4)5/h1,3H2,(H,4,5)"],
    "InChIKey": ["DHMQDGOQFOQNFH-UHFFFAOYSA-N"],
    "protein accession": [
        "P12345", "Q9UBU3", "A0A024R1R8", "GHRL_HUMAN", "sp|Q9UBU3|GHRL_HUMAN", "NP_000508.1",
    ],
    "CAS number": ["56-40-6"],
    "name in words": ["oxytocin", "Leu-enkephalin", "(2S)-2-aminopropanoic acid"],
    "FASTA header": [">sp|P01308|INS_HUMAN Insulin"],
    "mol block": ["M  END", "    1.2990    0.7500    0.0000 C   0  0", "$$$$"],
    "missing value": ["NaN", "None"],
    "a number": ["7.4"],
}  # fmt: skip


def rejected(text: str, input_format: str = "auto") -> Reject:
    """Return the reject of a text."""
    (reject,) = Featurizer(FeaturizeOptions(input_format=input_format)).convert([text]).rejects
    return reject


@pytest.mark.parametrize("name", NAMES)
def test_a_notation_that_is_not_read_is_named_with_a_remedy(name: str) -> None:
    for text in NAMES[name]:
        reason = rejected(text).reason
        assert name in reason, text
        assert "RDKit" not in reason, text
        assert "; " in reason, text
        assert name in rejected(text, "smiles").reason


@pytest.mark.parametrize("input_format", ["smiles", "sequence"])
@pytest.mark.parametrize("name", READ)
def test_a_notation_of_another_format_is_named_with_that_format(
    name: str, input_format: str
) -> None:
    for text in READ[name]:
        reason = rejected(text, input_format).reason
        assert name in reason, text
        assert "give --input-format" in reason, text


@pytest.mark.parametrize("name", NAMES)
def test_where_sequences_are_expected_no_message_speaks_of_smiles(name: str) -> None:
    for text in NAMES[name]:
        reason = rejected(text, "sequence").reason
        assert "SMILES" not in reason, text
        assert name in reason, text


@pytest.mark.parametrize(
    "text",
    ["C(C)(C)(C)(C)C", "C1CC", "c1cccc1", "C[C@H](N)C(=O)[OH", "C(C(C", "NCC(=O)X", "c(F)ccc"],
)
def test_a_broken_smiles_is_called_so(text: str) -> None:
    assert rejected(text).reason.startswith("RDKit cannot read this SMILES")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ACX", "'X' stands for any residue"),
        ("ACU", "looks like RNA"),
        ("GPOGPO", "'O' after a residue after G may be hydroxyproline"),
        ("AB", "'B' stands for aspartate or asparagine"),
        ("AZ", "'Z' stands for glutamate or glutamine"),
        ("AJ", "'J' stands for leucine or isoleucine"),
        ("AC--D", "gap '-' at position 3"),
        ("ACD*", "'*' stands for a stop"),
        ("acd", "'a' is a small letter"),
        ("GGCUACGUAACG", "looks like RNA"),
    ],
)
@pytest.mark.parametrize("input_format", ["auto", "sequence"])
def test_a_letter_of_a_sequence_is_named(text: str, said: str, input_format: str) -> None:
    assert said in rejected(text, input_format).reason


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        ("ACGTACGTAC", True),
        ("GGCATTNNACGA", True),
        ("ACGTACGTA", False),  # too short to be sure
        ("GAC", False),
        ("AAAAAAAAAAAAAAAA", False),  # poly-alanine
        ("GAGAGAGAGAGAGAGA", False),  # silk
        ("ACGTACGTACD", False),
        ("CCCCCCCCCCCC", False),  # a SMILES
    ],
)
def test_a_sequence_that_looks_like_nucleotides_is_noted(text: str, noted: bool) -> None:
    for fast in (True, False):
        made = Featurizer(FeaturizeOptions(input_format="auto"), fast=fast).convert(["GG", text])
        assert made.kept.tolist() == [0, 1]
        assert [(n.position, n.kind) for n in made.notes] == [(1, "warning")] * noted
        assert all("looks like nucleotides" in n.note for n in made.notes)


def test_nucleotides_in_a_real_corpus_are_the_only_ones_noted(shared_dir: Path) -> None:
    import pyarrow.csv as csv

    from pepland_data.chem.notation.residue_letters import nucleotide_note

    table = csv.read_csv(shared_dir / "data" / "corpus" / "canonical.csv.gz")
    noted = [text for text in table.column(0).to_pylist() if nucleotide_note(text)]
    assert len(noted) == 155
