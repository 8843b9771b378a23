"""Rings inside of chains, bonds named behind a sequence, and groups at side chains."""

from __future__ import annotations

import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from pepland_data.chem.notation.parse import parse
from pepland_data.chem.notation.written.variants import with_cap
from pepland_data.chem.rdkit_messages import RdkitMessages
from tests.notations.test_condensed import read, refused, smiles

MT_II = "Ac-Nle-c[Asp-His-D-Phe-Arg-Trp-Lys]-NH2"
AOD_9604 = "Tyr-Leu-Arg-Ile-Val-Gln-Cys-Arg-Ser-Val-Glu-Gly-Ser-Cys-Gly-Phe"
LIRAGLUTIDE = (
    "H-His-Ala-Glu-Gly-Thr-Phe-Thr-Ser-Asp-Val-Ser-Ser-Tyr-Leu-Glu-Gly-Gln-Ala-Ala-"
    "Lys({})-Glu-Phe-Ile-Ala-Trp-Leu-Val-Arg-Gly-Arg-Gly-OH"
)
SEMAGLUTIDE = LIRAGLUTIDE.replace("His-Ala", "His-Aib")
SUBSTANCES = {
    MT_II: "C50H69N15O9",
    "Ac-Nle-c[Asp-His-D-Phe-Arg-Trp-Lys]-OH": "C50H68N14O10",  # bremelanotide
    "Ac-Nle-cyclo(Asp-His-D-Nal(2')-Arg-Trp-Lys)-NH2": "C54H71N15O9",  # SHU9119
    "H-Tyr-c[D-Pen-Gly-Phe-D-Pen]-OH": "C30H39N5O7S2",  # DPDPE
    "H-D-2-Nal-c[Cys-Tyr-D-Trp-Lys-Val-Cys]-Thr-NH2": "C54H69N11O10S2",  # lanreotide
    "Ac-Arg-Cys-D-Ala-His-D-Phe-Arg-Trp-Cys-NH2 (2-8 disulfide)": "C49H68N18O9S2",  # setmelanotide
    f"{AOD_9604} (Disulfide bridge Cys7-Cys14)": "C78H123N23O23S2",
    "DOTA-D-Phe-c[Cys-Tyr-D-Trp-Lys-Thr-Cys]-Thr-OH": "C65H90N14O19S2",  # oxodotreotide
    "Mca-Ala-Pro-Lys(Dnp)-OH": "C32H36N6O12",
    "Mca-YVADAPK(Dnp)-OH": "C53H64N10O19",
    "Dnp-Pro-Leu-Gly-Leu-Trp-Ala-D-Arg-NH2": "C45H64N14O11",
    "Dabcyl-γ-Abu-Ser-Gln-Asn-Tyr-Pro-Ile-Val-Gln-EDANS": "C73H97N17O18S",
    "Abz-Gly-Phe(4-NO2)-Pro-OH": "C23H25N5O7",
    LIRAGLUTIDE.format("γ-Glu-palmitoyl"): "C172H265N43O51",
    LIRAGLUTIDE.format("Pal-γ-Glu"): "C172H265N43O51",
    SEMAGLUTIDE.format("AEEA-AEEA-γ-Glu-17-carboxyheptadecanoyl"): "C187H291N45O59",
    "γ-Glu-Cys-Gly": "C10H17N3O6S",  # glutathione
    "Isovaleryl-Val-Val-Sta-Ala-Sta-OH": "C34H63N5O9",  # pepstatin A
    # cetrorelix
    "Ac-D-2-Nal-D-4-Cl-Phe-D-3-Pal-Ser-Tyr-D-Cit-Leu-Arg-Pro-D-Ala-NH2": "C70H92ClN17O14",
    "GSS(n-octanoyl)FLSPEHQRVQQRKESKKPPAKLQPR": "C149H249N47O42",  # ghrelin
    "Fmoc-Arg(Pbf)-OH": "C34H40N4O7S",
    "Fmoc-His(Trt)-OH": "C40H33N3O4",
}
"""Formulas of the substances as free bases and acids."""


@pytest.mark.parametrize("text", SUBSTANCES)
def test_a_substance_has_its_formula(text: str) -> None:
    assert CalcMolFormula(read(text)) == SUBSTANCES[text]


HELM = {
    MT_II: "PEPTIDE1{[ac].[Nle].D.H.[dF].R.W.K.[am]}$PEPTIDE1,PEPTIDE1,3:R3-8:R3$$$",
    "H-Tyr-c[D-Lys-Phe-Phe-Asp]-NH2": "PEPTIDE1{Y.[dK].F.F.D.[am]}$PEPTIDE1,PEPTIDE1,2:R3-5:R3$$$",
    "Ac-c[CRGDC]-NH2": "PEPTIDE1{[ac].C.R.G.D.C.[am]}$PEPTIDE1,PEPTIDE1,2:R3-6:R3$$$",
    "cyclo(Arg-Gly-Asp-D-Tyr-Lys(Ac-Gly))": "PEPTIDE1{R.G.D.[dY].K}|PEPTIDE2{[ac].G}"
    "$PEPTIDE1,PEPTIDE1,5:R2-1:R1|PEPTIDE2,PEPTIDE1,2:R2-5:R3$$$",
    "H-Orn(D-Ala-Gly)-Gly-OH": "PEPTIDE1{[Orn].G}|PEPTIDE2{[dA].G}$PEPTIDE2,PEPTIDE1,2:R2-1:R3$$$",
}


@pytest.mark.parametrize("text", HELM)
def test_bonds_are_those_of_helm(text: str) -> None:
    assert smiles(text) == smiles(HELM[text], "helm")


SAME = {
    MT_II: [
        "Ac-Nle4-c[Asp5-His6-D-Phe7-Arg8-Trp9-Lys10]-NH2",
        "Ac-Nle-cyclo[Asp-His-D-Phe-Arg-Trp-Lys]-NH₂",
        "Ac-Nle-cyclo-(Asp-His-D-Phe-Arg-Trp-Lys)-NH2",
        "Ac-Nle-Asp-His-D-Phe-Arg-Trp-Lys-NH2 (lactam bridge: Asp2-Lys7)",
        "Ac-Nle-Asp-His-D-Phe-Arg-Trp-Lys-NH2 (Asp2-Lys7 lactam)",
        "Ac-Nle-Asp-His-D-Phe-Arg-Trp-Lys-NH2, cyclic (2→7)-lactam",
        "Ac-Nle-Asp-His-D-Phe-Arg-Trp-Lys-NH2 cyclo(2-7)",
        "Ac-Nle4-Asp5-His6-D-Phe7-Arg8-Trp9-Lys10-NH2 (lactam bridge: Asp⁵-Lys¹⁰)",
    ],
    "CYIQNCPLG-NH2 (disulfide bridge: 1-6)": [
        "c[Cys-Tyr-Ile-Gln-Asn-Cys]-Pro-Leu-Gly-NH2",
        "CYIQNCPLG-NH2 (Disulfide bond)",
        "CYIQNCPLG-NH2 (Disulfide bond between Cys1 and Cys6)",
        "Cys-Tyr-Ile-Gln-Asn-Cys-Pro-Leu-Gly-NH2 (disulfide bond between Cys1-Cys6)",
    ],
    "Ac-Lys(Gly-Gly)-NH2": ["Ac-Lys(GG)-NH2", "Ac-Lys(H-Gly-Gly)-NH2", "Ac-K(Gly-Gly)-NH2"],
    "Ac-Lys(acetyl)-NH2": ["Ac-Lys(Ac)-NH2", "Ac-K(Ac)-NH2"],
    "Ac-D-Phe(4-Cl)-Gly-OH": [
        "Ac-D-Phe(p-Cl)-Gly-OH", "Ac-D-4-Cl-Phe-Gly-OH", "Ac-D-pCl-Phe-Gly-OH",
    ],
    "Z-Gly-NHMe": ["Z-Gly-NH-CH3", "Z-Gly-NHCH3"],
}  # fmt: skip
"""Ways to write one molecule."""


@pytest.mark.parametrize(("one", "two"), [(a, b) for a, others in SAME.items() for b in others])
def test_one_molecule_is_written_in_several_ways(one: str, two: str) -> None:
    assert smiles(one) == smiles(two)


STRUCTURES = {
    "Ac-Lys(Dnp)-NH2": "CC(=O)N[C@@H](CCCCNc1ccc([N+](=O)[O-])cc1[N+](=O)[O-])C(N)=O",
    "Dansyl-Gly-OH": "CN(C)c1cccc2c(S(=O)(=O)NCC(=O)O)cccc12",
    "Mca-Gly-OH": "COc1ccc2c(CC(=O)NCC(=O)O)cc(=O)oc2c1",
    "Abz-Gly-OH": "Nc1ccccc1C(=O)NCC(=O)O",
    "5-FAM-Gly-OH": "O=C(O)CNC(=O)c1ccc2c(c1)C(=O)OC21c2ccc(O)cc2Oc2cc(O)ccc21",
    "Cinnamoyl-Gly-OH": "O=C(O)CNC(=O)/C=C/c1ccccc1",
    "Ac-Gly-ACC": "CC(=O)NCC(=O)Nc1ccc2c(CC(N)=O)cc(=O)oc2c1",
    "Ac-Gly-βNA": "CC(=O)NCC(=O)Nc1ccc2ccccc2c1",
    "Ac-Gly-EDANS": "CC(=O)NCC(=O)NCCNc1cccc2c1cccc2S(=O)(=O)O",
    "H-Glu(EDANS)-NH2": "N[C@@H](CCC(=O)NCCNc1cccc2c1cccc2S(=O)(=O)O)C(N)=O",
    "H-Tyr(3-NO2)-OH": "N[C@@H](Cc1ccc(O)c([N+](=O)[O-])c1)C(=O)O",
    "H-Thr(tBu)-OH": "N[C@H](C(=O)O)[C@@H](C)OC(C)(C)C",
    "H-His(Trt)-OH": "N[C@@H](Cc1cn(C(c2ccccc2)(c2ccccc2)c2ccccc2)cn1)C(=O)O",
    "H-Trp(Boc)-OH": "CC(C)(C)OC(=O)n1cc(C[C@H](N)C(=O)O)c2ccccc21",
    "H-Arg(Pbf)-OH": "Cc1c(C)c(S(=O)(=O)N=C(N)NCCC[C@H](N)C(=O)O)c(C)c2c1OC(C)(C)C2",
    "H-Lys(Dabcyl)-OH": "CN(C)c1ccc(N=Nc2ccc(C(=O)NCCCC[C@H](N)C(=O)O)cc2)cc1",
    "Ac-Lys(Dnp-Gly)-NH2": "CC(=O)N[C@@H](CCCCNC(=O)CNc1ccc([N+](=O)[O-])cc1[N+](=O)[O-])C(N)=O",
    "H-Cys(StBu)-OH": "N[C@@H](CSSC(C)(C)C)C(=O)O",
    "H-Arg(Me2s)-OH": "N[C@@H](CCCNC(=NC)NC)C(=O)O",
    "H-Arg(Me2a)-OH": "N[C@@H](CCCNC(=N)N(C)C)C(=O)O",
    "H-γ-Glu-Gly-OH": "N[C@@H](CCC(=O)NCC(=O)O)C(=O)O",
    "H-β-Asp-Gly-OH": "N[C@@H](CC(=O)NCC(=O)O)C(=O)O",
}


@pytest.mark.parametrize("text", STRUCTURES)
def test_a_text_is_its_structure(text: str) -> None:
    assert smiles(text) == Chem.CanonSmiles(STRUCTURES[text])


REFUSALS = {
    "Tyr-c[D-Lys-Trp-Phe]": "the side chain of 'D-Lys' and the C end",
    "c[Lys-Ala-Asp]-NH2": "the N end and the side chain of 'Asp' or both side chains",
    "Ac-c[Lys-Ala-Asp]": "the side chain of 'Lys' and the C end or both side chains",
    "Ac-c[Ser-Ala-Asp]-NH2": "from 'Ser' to 'Asp', has no certain bond",
    "Ac-c[Asp(OMe)-Ala-Lys]-NH2": "has no certain bond",
    "Ac-Ala-c[Cys]-NH2": "two bonds are at the side chain of residue 2",
    "c[Ala-Pro-c(Cys-Ser-Cys)]": "a ring inside of a ring",
    "Ac-Asp-Ala-Lys-NH2 (lactam bridge: Glu1-Lys3)": "residue 1 is 'Asp', not Glu",
    "Ac-Asp-Ala-Lys-NH2 (lactam bridge: 2-3)": "between 'Ala' and 'Lys' is not certain",
    "Ac-Asp-Ala-Lys-NH2 (disulfide bridge: 1-3)": "residue 1, 'Asp', has no thiol",
    "Ac-Asp-Ala-Lys-NH2 (lactam)": "write it as (lactam bridge: 2-7)",
    "Ala-Cys-Ser-Cys (Disulfide bridge: Cys182-Cys184)": "there are 4 residues, no 182",
    "CAACAC (disulfide bond)": "write it as (disulfide bridge: 2-7)",
    "CACAC (disulfide bridge: 1-3, 3-5)": "two bonds are at the side chain of residue 3",
    "Ac-Nle4-Asp5-His6-Lys8-NH2": "'Lys' is at place 7 of its numbers",
    "Ac-Lys-Gly3-NH2": "a residue and its place, or a repeat",
    "Lys(Pal-Glu)-Gly": "write γ-Glu",
    "Lys(Ac-pGlu)-Gly": "nothing can stand before it",
    "Lys(Lys(Gly-Gly)-Gly)-Gly": "is unknown",
    "Lys(N6-(γ-Glu-palmitoyl))": "'N6-(γ-Glu-palmitoyl)' at 'Lys' is unknown",
    "AK(γGlu)G": "a residue or a group of the one before",
    "Lys(FITC)-Gly": "5-FITC or 6-FITC",
    "FITC-Ahx-GRGDS-NH2": "5-FITC or 6-FITC",
    "Lipoyl-Ala-Gly": "(R)-lipoyl or racemic",
    "Ac-DEVD-ACC": "'ACC' is a cap or 3 residues",
    "Phe(Cl)-Gly": "place 2, 3 or 4",
    "Trp(Me)-Gly": "'Me' is ambiguous",
    "Arg(Me2)-Gly": "write Me2s or Me2a",
    "[D-Ala2,Leu5]-enkephalin": "changes D-Ala2,Leu5 of 'enkephalin', whose sequence",
    "(D-Ser4, D-Trp6)-GnRH": "changes D-Ser4, D-Trp6 of 'GnRH', whose sequence",
    "[Arg8]-Vasopressin": "of 'Vasopressin', whose sequence the text does not give",
    "Ac-[Nle4,Asp5,D-Phe7,Lys10]-cyclo(5-10)-α-MSH(4-10)-NH2": "write the whole sequence",
}


@pytest.mark.parametrize("text", REFUSALS)
def test_what_has_several_readings_is_refused_with_them(text: str) -> None:
    reason = refused(text)
    assert reason.startswith("no readable three-letter or condensed notation: ")
    assert REFUSALS[text] in reason


@pytest.mark.parametrize("text", ["FAM-NH2", "EDANS-NH2", "Ac-EDANS", "Ac-ACC"])
def test_letters_that_are_also_a_cap_stay_residues_where_nothing_else_is(text: str) -> None:
    sequence = text.removesuffix("-NH2").removeprefix("Ac-")
    caps = ("[ac]." * text.startswith("Ac"), ".[am]" * text.endswith("NH2"))
    helm = f"PEPTIDE1{{{caps[0]}{'.'.join(sequence)}{caps[1]}}}$$$$"
    assert smiles(text, "three-letter") == Chem.MolToSmiles(Chem.MolFromHELM(helm))


def test_a_cap_at_an_aromatic_ring_gives_no_note() -> None:
    with_cap.cache_clear()
    with RdkitMessages() as log:
        parse("Dnp-Ala-Lys(Dnp)-OH", "auto", 5000, log)
        assert not log.take()
