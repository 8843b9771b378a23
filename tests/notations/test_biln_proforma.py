"""BILN and ProForma become the molecules that their documentation gives."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from tests.notations.test_condensed import read, refused, smiles

BILN = {
    "A-am": "C[C@H](N)C(N)=O",
    "C(1,3)-A-A-A-C(1,3)": "C[C@@H]1NC(=O)[C@H](C)NC(=O)[C@@H](N)CSSC[C@@H](C(=O)O)NC(=O)[C@H](C)"
    "NC1=O",
    "P-E-P-T-I-D-E": "CC[C@H](C)[C@H](NC(=O)[C@@H](NC(=O)[C@@H]1CCCN1C(=O)[C@H](CCC(=O)O)NC(=O)"
    "[C@@H]1CCCN1)[C@@H](C)O)C(=O)N[C@@H](CC(=O)O)C(=O)N[C@@H](CCC(=O)O)C(=O)O",
    "ac-D-T-H-F-E-I-A-am": "CC[C@H](C)[C@H](NC(=O)[C@H](CCC(=O)O)NC(=O)[C@H](Cc1ccccc1)NC(=O)"
    "[C@H](Cc1c[nH]cn1)NC(=O)[C@@H](NC(=O)[C@H](CC(=O)O)NC(C)=O)[C@@H](C)O)C(=O)N[C@@H](C)C(N)=O",
    "A-A-D(1,3)-A-A-K(2,3)-A-A.K(1,3)-A-A-D(2,3)": "C[C@H](N)C(=O)N[C@@H](C)C(=O)N[C@H]1CC(=O)N"
    "CCCC[C@H](N)C(=O)N[C@@H](C)C(=O)N[C@@H](C)C(=O)N[C@H](C(=O)O)CC(=O)NCCCC[C@@H](C(=O)N"
    "[C@@H](C)C(=O)N[C@@H](C)C(=O)O)NC(=O)[C@H](C)NC(=O)[C@H](C)NC1=O",
    "A-G-Q-A-A-K(1,3)-E-F-I-A-A.G-L-E-E(1,3)": "CC[C@H](C)[C@H](NC(=O)[C@H](Cc1ccccc1)NC(=O)"
    "[C@H](CCC(=O)O)NC(=O)[C@H](CCCCNC(=O)CC[C@H](NC(=O)[C@H](CCC(=O)O)NC(=O)[C@H](CC(C)C)NC(=O)"
    "CN)C(=O)O)NC(=O)[C@H](C)NC(=O)[C@H](C)NC(=O)[C@H](CCC(N)=O)NC(=O)CNC(=O)[C@H](C)N)C(=O)N"
    "[C@@H](C)C(=O)N[C@@H](C)C(=O)O",
    "N-Iva-F-D-I-meT-N-A-L-W-Y-Aib-K": "CC[C@H](C)[C@H](NC(=O)[C@H](CC(=O)O)NC(=O)[C@H](Cc1ccccc1)"
    "NC(=O)[C@](C)(CC)NC(=O)[C@@H](N)CC(N)=O)C(=O)N(C)[C@H](C(=O)N[C@@H](CC(N)=O)C(=O)N[C@@H](C)"
    "C(=O)N[C@@H](CC(C)C)C(=O)N[C@@H](Cc1c[nH]c2ccccc12)C(=O)N[C@@H](Cc1ccc(O)cc1)C(=O)NC(C)(C)"
    "C(=O)N[C@@H](CCCCN)C(=O)O)[C@@H](C)O",
}
"""Examples of pyPept with the SMILES of its tests."""


@pytest.mark.parametrize("text", BILN)
def test_biln_is_the_molecule_of_pypept(text: str) -> None:
    assert smiles(text, "biln") == Chem.CanonSmiles(BILN[text])


@pytest.mark.parametrize("text", [t for t in BILN if t not in ("A-am", "P-E-P-T-I-D-E")])
def test_biln_is_recognised(text: str) -> None:
    assert smiles(text) == smiles(text, "biln")


def test_a_bond_from_end_to_end_closes_a_ring() -> None:
    helm = "PEPTIDE1{C.A.A.A.C}$PEPTIDE1,PEPTIDE1,5:R2-1:R1$$$"
    expected = Chem.MolToSmiles(Chem.MolFromHELM(helm))
    assert smiles("C(1,1)-A-A-A-C(1,2)") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A--A-C", "monomer 2: it has no name"),
        ("A-MYMISTAKENMONOMER-C", "'MYMISTAKENMONOMER' is in no library"),
        ("A-A-C.K", "no bond joins chain 2"),
        ("H-Aib-E-G-L-V-R-G-R-K(1,3)-OH", "bond 1 has 1 ends"),
        ("Y-K(1,1)-G-Y-NH2.G-A(1,2)", "two bonds are at its R1"),
        ("G(1,4)-K(1,3)", "has no R4"),
        ("A-ac-C", "has no R1"),
        ("A-K(1,3)(1,2)", "joins a monomer to itself"),
        ("A-C(1,3", "a bracket is not closed"),
    ],
)
def test_wrong_biln_is_refused_with_its_place(text: str, said: str) -> None:
    reason = refused(text, "biln")
    assert reason.startswith("no readable BILN: ")
    assert said in reason


@pytest.mark.parametrize("text", ["A-C-D-E", "P-E-P-T-I-D-E", "L-A-K", "H-A-K"])
def test_biln_that_may_mean_something_else_needs_its_format(text: str) -> None:
    assert "give --input-format biln" in refused(text)
    expected = Chem.MolToSmiles(Chem.MolFromSequence(text.replace("-", "")))
    assert smiles(text, "biln") == expected


PHOSPHO = "EM[Oxidation]EVEES[Phospho]PEK"


def test_proforma_is_its_structure() -> None:
    expected = (
        "N[C@@H](CCC(=O)O)C(=O)N[C@@H](CCS(C)=O)C(=O)N[C@@H](CCC(=O)O)C(=O)N[C@@H](C(C)C)C(=O)"
        "N[C@@H](CCC(=O)O)C(=O)N[C@@H](CCC(=O)O)C(=O)N[C@@H](COP(=O)(O)O)C(=O)N1CCC[C@H]1C(=O)"
        "N[C@@H](CCC(=O)O)C(=O)N[C@@H](CCCCN)C(=O)O"
    )
    same = [
        "EM[U:Oxidation]EVEES[UNIMOD:21]PEK",
        "EM[MOD:00719]EVEES[MOD:00046]PEK",
        "EM[L-methionine sulfoxide]EVEES[O-phospho-L-serine]PEK",
        "EM[M:L-methionine sulfoxide]EVEES[M:O-phospho-L-serine]PEK",
    ]
    assert {smiles(text) for text in [PHOSPHO, *same]} == {Chem.CanonSmiles(expected)}


def test_the_ends_of_proforma_are_those_of_condensed_texts() -> None:
    assert smiles("[Acetyl]-PEPTIDE-[Amidated]") == smiles("Ac-PEPTIDE-NH2")
    assert smiles("PEPTIDE", "proforma") == Chem.MolToSmiles(Chem.MolFromSequence("PEPTIDE"))


INSULIN = (
    "FVNQHLC[MOD:00034#XL1]GSHLVEALYLVC[MOD:00034#XL2]GERGFFYTPKT//"
    "GIVEQC[MOD:00034#XL3]C[#XL1]TSIC[#XL3]SLYQLENYC[#XL2]N"
)


def test_disulfides_of_proforma_join_one_chain_or_several() -> None:
    names = ("XLMOD:02009", "MOD:00034", "L-cystine (cross-link)", "X:Disulfide", "Disulfide")
    expected = smiles("EVTSEKCLEMSCEFD (disulfide bridge: 7-12)")
    assert {smiles(f"EVTSEKC[{name}#XL1]LEMSC[#XL1]EFD") for name in names} == {expected}
    assert CalcMolFormula(read(INSULIN)) == "C257H383N65O77S6"  # human insulin


def test_pyroglutamate_is_the_first_residue_of_proforma() -> None:
    gln = ["[Gln->pyro-Glu]-QPEPK", "Q[Gln->pyro-Glu]PEPK", "Q[UNIMOD:28]PEPK", "Q[MOD:00040]PEPK"]
    assert {smiles(text) for text in (*gln, "E[Glu->pyro-Glu]PEPK")} == {smiles("pGlu-PEPK")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("EVTSEKC[half cystine]LEMSC[half cystine]EFD", "half a disulfide; write C[MOD:00034#XL1]"),
        ("C[MOD:00034#XL1]AC", "'XL1' needs two cysteines"),
        ("C[#XL1]AC[#XL1]", "'XL1' needs two cysteines and one name"),
        ("C[MOD:00034#XL1]AC[#XL1]AC[#XL1]", "'XL1' needs two cysteines"),
        ("C[MOD:00034#XL1]AC[#XL1][Acetyl]", "at residue 3, 'C' is no one known structure"),
        ("K[MOD:00034#XL1]AC[#XL1]", "at residue 1 is no free cysteine"),
        ("EVTK[X:DSS#XL1]LEK[#XL1]SEFD", "only disulfides are read"),
        ("ACD//CAE", "no bond joins chain 2"),
        ("AQ[Gln->pyro-Glu]PEPK", "nothing can stand before it"),
        ("[Acetyl]-Q[Gln->pyro-Glu]PEPK", "nothing can stand before it"),
        ("[Gln->pyro-Glu]-EPEPK", "no one known structure there"),
        ("EM[Oxidation]EVEESPEK/2", "'/2' is a charge"),
        ("EM[U:L-methionine sulfoxide]K", "no one known structure there"),
        ("PER[Methyl]K", "no one known structure there"),
        ("[Acetyl]-EMEVEES[+79.966]PEK", "[+79.966] at residue 7, 'S' is a mass"),
        ("EM[Oxidation]EVEES[#g1]PEK", "a group of places"),
        ("[Phospho]?EMEVTSESPEK", "a modification of unknown place"),
        ("{Glycan:Hex}EMEVNESPEK", "a labile or unlocalised group"),
        ("<[Carbamidomethyl]@C>ATPEILTCNSIGCLK", "a modification of all residues"),
        ("SEQUEN[Glycan:HexNAc]CE", "a composition of sugars"),
        ("EM[Phospho]K", "[Phospho] at residue 2, 'M' is no one known structure there"),
        ("PEN[Deamidated]K", "no one known structure there"),
        ("K[Acetyl][Methyl]A", "a second modification"),
        ("EMEVTK[XLMOD:02001#XL1]SESPEK", "cross-link"),
        ("EM[Oxidation|INFO:x]K", "several descriptions"),
        ("AXA[Acetyl]", "residue 2: 'X' stands for any residue"),
        ("[iTRAQ4plex]-EMEVNESPEK", "[iTRAQ4plex] at the N end is no one known structure"),
        ("EM[]K", "is empty"),
    ],
)
def test_proforma_without_one_structure_is_refused_by_name(text: str, said: str) -> None:
    reason = refused(text, "proforma")
    assert reason.startswith("no readable ProForma: ")
    assert said in reason
