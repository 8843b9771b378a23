"""What is said about forty texts that no peptide is written as, and about the quick tests."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.understood import Understood, understood
from tests.helpers.odd_molecules import odd_molecules
from tests.helpers.ugly_corpus import ugly_texts

UGLY = [
    # text, what it looks like, what its reject says
    ("InChI=1S/C2H5NO2/c3-1-2(4)5/h1,3H2,(H,4,5)", "InChI", "InChI is not read"),
    ("1S/C2H5NO2/c3-1-2(4)5/h1,3H2,(H,4,5)", "InChI", "InChI is not read"),
    ("InChIKey=DHMQDGOQFOQNFH-UHFFFAOYSA-N", "an InChIKey", "look up its structure"),
    ("56-40-6", "a CAS number", "look up its structure"),
    ("P12345", "a protein accession", "fetch its sequence"),
    ("CHEMBL1201469", "a name of a database entry", "look up its structure"),
    ("1ABC", "a name of a database entry", "look up its structure"),
    ("GLP-1", "a name in words", "write the peptide as HELM or SMILES"),
    ("(2S)-2-aminopropanoic acid", "a name in words", "write the peptide as HELM or SMILES"),
    ("C20H30N4O5", "a molecular formula", "write the peptide as HELM or SMILES"),
    (">sp|P01308|INS_HUMAN Insulin", "a FASTA header line", "the suffix .fasta"),
    ("    1.2990    0.7500    0.0000 C   0  0", "a line of a mol block", "the whole SDF file"),
    ("-3.5e2", "a number", "name the column of the peptides"),
    ("nan", "a missing value", "leave the row out"),
    ("#N/A", "a missing value", "leave the row out"),
    ("--", "a missing value", "leave the row out"),
    ("N.A.", "a missing value", "leave the row out"),
    ("acgtacgtacgt", "sequence", "looks like nucleotides in small letters"),
    ("GGCUACGUAACG", "sequence", "looks like RNA"),
    ("UUUU", "sequence", "looks like RNA"),
    ("A-C(1,3)-D-E", "biln", "no readable BILN: bond 1 has 1 ends"),
    ("c[RGDfK]", "a cyclic peptide written as cyclo(...)", "as cyclo(...), in round brackets"),
    ("ACDE-", "three-letter", "word 2 is empty; delete the hyphen beside it"),
    ("PEPTIDE1{A.G", "HELM", "unreadable HELM"),
    ("PEPTIDE1{A.[foo]}$$$$", "HELM", "unknown monomer: 'foo'"),
    ("CC |foo|", "SMILES", "no CXSMILES; delete it"),
    ("[CH2;!R]C", "SMARTS", "SMARTS is not read"),
    ("CC>>CO", "a reaction", "give the peptide alone"),
    ("acdefghik", "sequence", "'a' is a small letter"),
    ("ACDXFG", "sequence", "'X' stands for any residue"),
    ("XXXX", "sequence", "'X' stands for any residue"),
    ("ACDEFG*", "sequence", "'*' stands for a stop"),
    ("ACDEFG12", "sequence", "'1' is none of the twenty amino acids: position 7"),
    ("ACDE FGHI", "sequence", "' ' is none of the twenty amino acids: position 5"),
    ("ACDE/FGHI", "sequence", "'/' is none of the twenty amino acids: position 5"),
    ("ACDEFGHI,", "sequence", "',' is none of the twenty amino acids: position 9"),
    ("MKV-LAT", "sequence", "gap '-' at position 4"),
    ("CC(=O)O,", "SMILES", "the text ends with ','; delete it"),
    ('"ACDEFGHI"', "SMILES", "the text is in quotes; delete them"),
    ("\u201cACDE\u201d", "SMILES", "(left double quotation mark) is a quote: position 1"),
    ("ACDE\u00a0FGHI", "sequence", "(no-break space) is invisible: position 5; delete it"),
    ("CC(=O)\u200bO", "SMILES", "(zero width space) is invisible: position 7; delete it"),
    ("[O\u2212]C(=O)C", "SMILES", "(minus sign) is not '-': position 3; write '-'"),
    ("\uff21\uff23\uff24", "SMILES", "is not 'A': position 1; write 'A'"),
    ("\u0410CDE", "SMILES", "(cyrillic capital letter a) stands for no atom and no residue"),
    ("C1CC", "SMILES", "RDKit cannot read this SMILES: unclosed ring"),
]  # fmt: skip


def of(text: str, input_format: str = "auto") -> Understood:
    (one,) = understood([text], FeaturizeOptions(input_format=input_format))
    return one


@pytest.mark.parametrize(("text", "looks_like", "said"), UGLY)
def test_a_reject_names_what_the_text_is(text: str, looks_like: str, said: str) -> None:
    one = of(text)
    assert one.reject is not None
    assert one.notation == looks_like
    assert said in one.reject.reason
    assert ("RDKit" in one.reject.reason) == (text == "C1CC")


@pytest.mark.parametrize("input_format", ["smiles", "sequence"])
@pytest.mark.parametrize("text", [text for text, *_ in UGLY])
def test_it_is_a_reject_in_other_formats_too(text: str, input_format: str) -> None:
    assert of(text, input_format).reject is not None


@pytest.mark.parametrize("text", ["H2N-ACDE-COOH", "NH2-ACDE-COOH"])
def test_a_free_amine_is_written_in_two_ways(text: str) -> None:
    molecule = of(text).molecule
    assert molecule is not None
    assert molecule.helm == "PEPTIDE1{A.C.D.E}$$$$"


@pytest.mark.parametrize("text", ["1Nal", "2Nal", "3Pal"])
def test_residues_with_a_number_are_no_database_entries(text: str) -> None:
    assert of(text).molecule is not None


@pytest.mark.parametrize("hyphen", "\u2010\u2011\u2013\u2212")
def test_biln_is_read_with_any_hyphen(hyphen: str) -> None:
    molecule = of(f"A{hyphen}C{hyphen}E").molecule
    assert molecule is not None
    assert molecule.helm == "PEPTIDE1{A.C.E}$$$$"


def texts_of(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            yield from (text for row in csv.reader(file) for text in row if text)


def test_the_quick_test_for_smiles_changes_no_answer(shared_dir: Path) -> None:
    from pepland_data.chem.notation.written.shapes import (
        OFTEN,
        may_be_smiles,
        thorough_notation,
        written_notation,
    )

    texts = [text for text, *_ in UGLY] + ugly_texts() + list(texts_of(shared_dir / "data"))
    for text in texts:
        assert written_notation(text) == (thorough_notation(text) if OFTEN.search(text) else "")
    assert all(map(may_be_smiles, odd_molecules(500, seed=5)))
    assert not any(map(may_be_smiles, ["P12345", "56-40-6", "ACDE", "", "C1CC", "oxytocin"]))
