"""Three-letter codes and condensed texts become the substances of their names."""

from __future__ import annotations

from random import Random

import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.notation.parse import parse
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.errors import InvalidMoleculeError


def read(text: str, input_format: str = "auto", lowercase: str = "refuse") -> Chem.Mol:
    """Return the molecule of a text."""
    with RdkitMessages() as log:
        return parse(text, input_format, 5000, log, None, lowercase)


def smiles(text: str, input_format: str = "auto", lowercase: str = "refuse") -> str:
    """Return the canonical SMILES of a text."""
    return Chem.MolToSmiles(read(text, input_format, lowercase))


def refused(text: str, input_format: str = "auto", lowercase: str = "refuse") -> str:
    """Return why a text is rejected."""
    with pytest.raises(InvalidMoleculeError) as error:
        read(text, input_format, lowercase)
    return error.value.reason


SUBSTANCES = {
    "Ac-DEVD-CHO": "C20H30N4O11",
    "Ac-YVAD-CMK": "C24H33ClN4O8",
    "Z-Val-Ala-Asp(OMe)-FMK": "C22H30FN3O7",
    "Ac-DEVD-AFC": "C30H34F3N5O13",
    "Suc-AAPF-pNA": "C30H36N6O9",
    "Suc-LLVY-AMC": "C40H53N5O10",
    "H-D-Phe-Cys-Phe-D-Trp-Lys-Thr-Cys-Thr-ol (2-7)": "C49H66N10O10S2",  # octreotide
    "CYIQNCPLG-NH2, C1-C6 disulfide": "C43H66N12O12S2",  # oxytocin
    "cyclo(Arg-Gly-Asp-D-Phe-NMeVal)": "C27H40N8O7",  # cilengitide
    "cyclo[Arg-Gly-Asp-D-Phe-Lys]": "C27H41N9O7",
    "pGlu-His-Pro-NH2": "C16H22N6O4",  # thyroliberin
    "pGlu-His-Trp-Ser-Tyr-Gly-Leu-Arg-Pro-Gly-NH2": "C55H75N17O13",  # gonadorelin
    "H-Tyr-D-Ala-Gly-N-Me-Phe-Gly-ol": "C26H35N5O6",  # DAMGO
    "H-Tyr-D-Ala-Gly-Phe-D-Leu-OH": "C29H39N5O7",  # DADLE
    "H-Tyr-Gly-Gly-Phe-Met-OH": "C27H35N5O7S",  # Met-enkephalin
    "For-Met-Leu-Phe-OH": "C21H31N3O5S",
    "Z-Leu-Leu-Leu-al": "C26H41N3O5",  # MG-132
    "Ac-Leu-Leu-Nle-al": "C20H37N3O4",  # ALLN
    "Ac-Leu-Leu-Arg-al": "C20H38N6O4",  # leupeptin
    "H-D-Phe-Pip-Arg-pNA": "C27H36N8O5",  # S-2238
    "Tos-Lys-CMK": "C14H21ClN2O3S",
    "D-Phe-Pro-Arg-CMK": "C21H31ClN6O3",  # PPACK
    "βAla-His": "C9H14N4O3",  # carnosine
    "Pal-KTTKS-OH": "C39H75N7O10",
    "Thr-Lys-Pro-Arg": "C21H40N8O6",  # tuftsin
    "Trp-Met-Asp-Phe-NH2": "C29H36N6O6S",  # tetragastrin
    "Bz-Arg-OEt": "C15H22N4O3",
    "Fmoc-Lys(Boc)-OH": "C26H32N2O6",
    "H-Asp-Phe-OMe": "C14H18N2O5",  # aspartame
}
"""Formulas of the substances as free bases and acids."""


@pytest.mark.parametrize("text", SUBSTANCES)
def test_a_substance_has_its_formula(text: str) -> None:
    assert CalcMolFormula(read(text)) == SUBSTANCES[text]


STRUCTURES = {
    "Ac-Ala-Gly-Phe-NH2": "CC(=O)N[C@@H](C)C(=O)NCC(=O)N[C@@H](Cc1ccccc1)C(N)=O",
    "H-D-Phe-Pro-Arg-pNA": "N[C@H](Cc1ccccc1)C(=O)N1CCC[C@H]1C(=O)N[C@@H](CCCNC(N)=N)C(=O)"
    "Nc1ccc([N+](=O)[O-])cc1",
    "ACDE(pS)K": "N[C@@H](C)C(=O)N[C@@H](CS)C(=O)N[C@@H](CC(=O)O)C(=O)N[C@@H](CCC(=O)O)C(=O)"
    "N[C@@H](COP(=O)(O)O)C(=O)N[C@@H](CCCCN)C(=O)O",
    "A[dA]C": "N[C@@H](C)C(=O)N[C@H](C)C(=O)N[C@@H](CS)C(=O)O",
    "K(Ac)": "N[C@@H](CCCCNC(C)=O)C(=O)O",
    "(NMe)A": "CN[C@@H](C)C(=O)O",
    "NMe-Ala-Gly": "CN[C@@H](C)C(=O)NCC(=O)O",
    "MeAla-Gly": "CN[C@@H](C)C(=O)NCC(=O)O",
    "N-Me-D-Phe-Gly": "CN[C@H](Cc1ccccc1)C(=O)NCC(=O)O",
    "D-Ala": "N[C@H](C)C(=O)O",
    "dA-Gly": "N[C@H](C)C(=O)NCC(=O)O",
    "D-Lys(Ac)-Gly": "N[C@H](CCCCNC(C)=O)C(=O)NCC(=O)O",
    "D-Ile-Gly": "N[C@H]([C@H](C)CC)C(=O)NCC(=O)O",
    "Ac-2-Nal-NH2": "CC(=O)N[C@@H](Cc1ccc2ccccc2c1)C(N)=O",
    "cyclo(Gly-Pro)": "O=C1CNC(=O)[C@@H]2CCCN12",
    "ACDU": "N[C@@H](C)C(=O)N[C@@H](CS)C(=O)N[C@@H](CC(=O)O)C(=O)N[C@@H](C[SeH])C(=O)O",
    "CAAAC (disulfide bridge: 1-5)": "C[C@@H]1NC(=O)[C@H](C)NC(=O)[C@@H](N)CSSC[C@@H](C(=O)O)"
    "NC(=O)[C@H](C)NC1=O",
}


@pytest.mark.parametrize("text", STRUCTURES)
def test_a_text_is_its_structure(text: str) -> None:
    assert smiles(text) == Chem.CanonSmiles(STRUCTURES[text])


@pytest.mark.parametrize(
    "text", ["H-RGD-OH", "Arg-Gly-Asp", "ArgGlyAsp", "ARG-GLY-ASP", "Arg Gly Asp"]
)
def test_natural_residues_are_those_of_rdkit(text: str) -> None:
    assert smiles(text) == Chem.MolToSmiles(Chem.MolFromSequence("RGD"))


def test_small_letters_are_d_residues_where_the_option_says_so() -> None:
    expected = smiles("cyclo[Arg-Gly-Asp-D-Phe-Lys]")
    for text in ("cyclo(RGDfK)", "c(RGDfK)", "Cyclo-(-RGDfK-)"):
        assert "--lowercase d-amino" in refused(text)
        assert smiles(text, lowercase="d-amino") == expected


REFUSALS = {
    "Z-VAD-FMK": "often sold as methyl esters",
    "H-R-G-D-OH": "a free amine or histidine",
    "Ac-DEVD-H": "an aldehyde or histidine",
    "Nal-Gly-Ala": "1-Nal or 2-Nal",
    "Ala-Foo-Gly-NH2": "word 2, 'Foo'",
    "D-Hyp-Gly-Ala": "several stereocentres",
    "D-Gly-Ala-NH2": "it has no D form",
    "NMe-Pro-Ala-NH2": "no hydrogen at the nitrogen",
    "DL-Ala-Gly-NH2": "two stereoisomers",
    "Ac-R-D-F-NH2": "D-F is Asp and a residue",
    "Ac-pGlu-His-NH2": "nothing can stand before it",
    "Ac-AXA-NH2": "'X' stands for any residue (at character 2)",
    "Tyr-c[D-Lys-Trp-Phe]": "a ring inside of a chain",
    "cyclo(CRGDC)": "closed by a peptide bond or by the disulfide",
    "cyclo(Ac-Ala-Gly)": "a ring has no ends",
    "CAAAC (1-5)": "is a disulfide or the part of a protein",
    "CAAAC (disulfide bridge: 1-4)": "residue 4, 'A', has no thiol",
    "CAAAC (disulfide bridge: 1-9)": "there are 5 residues, no 9",
    "ACK(Foo)": "neither a residue nor a group",
    "AlaGly(": "a bracket is not closed",
    "Ala--Gly-Phe": "word 2 is empty; delete the hyphen",
    "RQpYEE": "a D residue or a phosphate (pS)",
    "Ac-ALA-NH2": "ALA is Ala or three residues",
    "ALA-RGD-NH2": "ALA is Ala or three residues",
    "GPOGPO": "hydroxyproline",
    "ACU": "looks like RNA",
}


@pytest.mark.parametrize("text", REFUSALS)
def test_what_is_wrong_or_unclear_is_refused_with_a_sentence(text: str) -> None:
    reason = refused(text, "three-letter")
    assert reason.startswith("no readable three-letter or condensed notation: ")
    assert REFUSALS[text] in reason


@pytest.mark.parametrize("text", ["fMLF", "pEHWSYG", "RQpYEE", "GdAK", "PheKRAA"])
def test_small_letters_that_mean_something_else_are_refused(text: str) -> None:
    assert "may be one residue or several" in refused(text, "three-letter", "d-amino")


def test_the_option_is_recorded_only_if_it_is_not_the_default() -> None:
    assert "lowercase" not in FeaturizeOptions().record()
    record = FeaturizeOptions(lowercase="d-amino").record()
    assert FeaturizeOptions.of_record(record).lowercase == "d-amino"


CODES = {
    "A": "Ala", "C": "Cys", "D": "Asp", "E": "Glu", "F": "Phe", "G": "Gly", "H": "His", "I": "Ile",
    "K": "Lys", "L": "Leu", "M": "Met", "N": "Asn", "P": "Pro", "Q": "Gln", "R": "Arg", "S": "Ser",
    "T": "Thr", "V": "Val", "W": "Trp", "Y": "Tyr",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_l_and_d_residues_are_those_of_rdkit_in_every_way_of_writing(seed: int) -> None:
    random = Random(seed)
    letters = ["R", *random.choices(list(CODES), k=10)]
    mirrored = [random.random() < 0.4 and letter != "G" for letter in letters]
    pairs = list(zip(letters, mirrored, strict=True))
    helm = ".".join(f"[d{a}]" if d else a for a, d in pairs)
    expected = Chem.MolToSmiles(Chem.MolFromHELM(f"PEPTIDE1{{[ac].{helm}.[am]}}$$$$"))
    codes = "-".join(f"D-{CODES[a]}" if d else CODES[a] for a, d in pairs)
    brackets = "".join(f"[d{a}]" if d else a for a, d in pairs)
    assert smiles(f"Ac-{codes}-NH2") == smiles(f"Ac-{brackets}-NH2") == expected
    if not set("DFMPEQSTY") & {a for a, d in pairs if d}:
        small = "".join(a.lower() if d else a for a, d in pairs)
        assert smiles(f"Ac-{small}-NH2", "three-letter", "d-amino") == expected
