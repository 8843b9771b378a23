"""Every entry of the table of names is the substance of its name, by mass and stereochemistry."""

from __future__ import annotations

import re

import pytest
from rdkit import Chem
from rdkit.Chem.Descriptors import ExactMolWt

from pepland_data.chem.notation.helm import smiles_of_translated
from pepland_data.chem.notation.written.groups import modified_monomer
from pepland_data.chem.notation.written.name_table import table
from pepland_data.chem.notation.written.structure import Peptide, token
from tests.notations.test_condensed import read

FORMULAS = {
    "Ala": "C3H7NO2", "Arg": "C6H14N4O2", "Asn": "C4H8N2O3", "Asp": "C4H7NO4", "Cys": "C3H7NO2S",
    "Gln": "C5H10N2O3", "Glu": "C5H9NO4", "Gly": "C2H5NO2", "His": "C6H9N3O2", "Ile": "C6H13NO2",
    "Leu": "C6H13NO2", "Lys": "C6H14N2O2", "Met": "C5H11NO2S", "Phe": "C9H11NO2", "Pro": "C5H9NO2",
    "Ser": "C3H7NO3", "Thr": "C4H9NO3", "Trp": "C11H12N2O2", "Tyr": "C9H11NO3", "Val": "C5H11NO2",
    "Sec": "C3H7NO2Se", "Pyl": "C12H21N3O3", "Nle": "C6H13NO2", "Nva": "C5H11NO2",
    "Orn": "C5H12N2O2", "Dab": "C4H10N2O2", "Dap": "C3H8N2O2", "Dpr": "C3H8N2O2",
    "Cit": "C6H13N3O3", "Aib": "C4H9NO2", "Abu": "C4H9NO2", "Sar": "C3H7NO2", "Hyp": "C5H9NO3",
    "Cha": "C9H17NO2", "Chg": "C8H15NO2", "Phg": "C8H9NO2", "Tic": "C10H11NO2", "Pip": "C6H11NO2",
    "Tle": "C6H13NO2", "Bip": "C15H15NO2", "Pen": "C5H11NO2S", "Hcy": "C4H9NO2S",
    "Hse": "C4H9NO3", "Aad": "C6H11NO4", "GABA": "C4H9NO2", "bAla": "C3H7NO2",
    "beta-Ala": "C3H7NO2", "βAla": "C3H7NO2", "β-Ala": "C3H7NO2", "Ahx": "C6H13NO2",
    "1Nal": "C13H13NO2", "1-Nal": "C13H13NO2", "Nal(1)": "C13H13NO2", "2Nal": "C13H13NO2",
    "2-Nal": "C13H13NO2", "Nal(2)": "C13H13NO2", "3Pal": "C8H10N2O2", "3-Pal": "C8H10N2O2",
    "aIle": "C6H13NO2", "aThr": "C4H9NO3", "allo-Ile": "C6H13NO2", "allo-Thr": "C4H9NO3",
    "pGlu": "C5H7NO3", "Glp": "C5H7NO3", "Pyr": "C5H7NO3", "pSer": "C3H8NO6P",
    "pThr": "C4H10NO6P", "pTyr": "C9H12NO6P", "pS": "C3H8NO6P", "pT": "C4H10NO6P",
    "pY": "C9H12NO6P", "γ-Abu": "C4H9NO2", "γAbu": "C4H9NO2", "Sta": "C8H17NO3",
    "gGlu": "C5H9NO4", "γGlu": "C5H9NO4", "γ-Glu": "C5H9NO4", "gamma-Glu": "C5H9NO4",
    "isoAsp": "C4H7NO4", "βAsp": "C4H7NO4", "β-Asp": "C4H7NO4", "beta-Asp": "C4H7NO4",
    "AEEA": "C6H13NO4", "Nal(1')": "C13H13NO2", "Nal(2')": "C13H13NO2",
}  # fmt: skip
"""Formulas of the free amino acids."""
GROUPS = {
    "PO3H2": "HPO3", "Phospho": "HPO3", "SO3H": "SO3", "Ac": "C2H2O", "For": "CO", "Me": "CH2",
    "Me2": "C2H4", "Me3": "C3H7", "Boc": "C5H8O2", "Myr": "C14H26O", "Pal": "C16H30O",
    "Biotin": "C10H14N2O2S", "GG": "C4H6N2O2", "Propionyl": "C3H4O", "Butyryl": "C4H6O",
    "Succinyl": "C4H4O3", "Malonyl": "C3H2O3", "Carbamyl": "CHNO", "OMe": "CH2", "OtBu": "C4H8",
    "OH": "", "tBu": "C4H8", "Acm": "C3H5NO", "Carbamidomethyl": "C2H3NO", "O": "O", "O2": "O2",
    "Me1": "CH2", "Me2a": "C2H4", "Me2s": "C2H4", "Et": "C2H4", "Crotonyl": "C4H4O",
    "Glutaryl": "C5H6O3", "Pbf": "C13H16O3S", "OBzl": "C7H6", "Bzl": "C7H6", "Trt": "C19H14",
    "EDANS": "C12H12N2O2S", "Octanoyl": "C8H14O", "octanoyl": "C8H14O", "n-octanoyl": "C8H14O",
    "Decanoyl": "C10H18O", "StBu": "C4H8S", "Carboxymethyl": "C2H2O2", "Propionamide": "C3H5NO",
    "Methylthio": "CH2S", "Cysteinyl": "C3H5NO2S", "Glutathione": "C10H15N3O6S",
}  # fmt: skip
"""What a group adds to the formula of its residue; Me3 is a cation."""
N_CAPS = {
    "H": "", "H2N": "", "NH2": "", "Ac": "C2H2O", "Acetyl": "C2H2O", "For": "CO", "Formyl": "CO",
    "Boc": "C5H8O2", "Fmoc": "C15H10O2", "Z": "C8H6O2", "Cbz": "C8H6O2", "Bz": "C7H4O",
    "Tos": "C7H6SO2", "Suc": "C4H4O3", "MeOSuc": "C5H6O3", "Carbamyl": "CHNO",
    "Propionyl": "C3H4O", "Biotin": "C10H14N2O2S", "Myr": "C14H26O", "Myristoyl": "C14H26O",
    "Pal": "C16H30O", "Palmitoyl": "C16H30O", "Stearyl": "C18H34O", "Stearoyl": "C18H34O",
    "Lauroyl": "C12H22O", "Decanoyl": "C10H18O", "Octanoyl": "C8H14O", "Hexanoyl": "C6H10O",
    "Caproyl": "C6H10O", "Butyryl": "C4H6O", "Isobutyryl": "C4H6O", "Isovaleryl": "C5H8O",
    "17-carboxyheptadecanoyl": "C18H32O3", "Benzoyl": "C7H4O", "Tosyl": "C7H6SO2",
    "Biotinyl": "C10H14N2O2S", "Succinyl": "C4H4O3", "Glutaryl": "C5H6O3", "Malonyl": "C3H2O3",
    "Alloc": "C4H4O2", "Nicotinoyl": "C6H3NO", "Cinnamoyl": "C9H6O", "Abz": "C7H5NO",
    "2-Abz": "C7H5NO", "Mca": "C12H8O4", "Dnp": "C6H2N2O4", "Dabcyl": "C15H13N3O",
    "DABCYL": "C15H13N3O", "Dansyl": "C12H11NO2S", "Dns": "C12H11NO2S", "5-FAM": "C21H10O6",
    "6-FAM": "C21H10O6", "DOTA": "C16H26N4O7",
}  # fmt: skip
"""What an acyl group adds in place of a hydrogen."""
C_CAPS = {
    "NH2": "H3N", "CONH2": "H3N", "NHMe": "CH5N", "NHEt": "C2H7N", "NMe2": "C2H7N", "OMe": "CH4O",
    "OEt": "C2H6O", "OtBu": "C4H10O", "OBn": "C7H8O", "AMC": "C10H9NO2", "AFC": "C10H6F3NO2",
    "pNA": "C6H6N2O2", "CMK": "CH3Cl", "cmk": "CH3Cl", "FMK": "CH3F", "fmk": "CH3F",
    "NHCH3": "CH5N", "NH-CH3": "CH5N", "NH-Me": "CH5N", "NH-Et": "C2H7N", "NHOH": "H3NO",
    "NHNH2": "H4N2", "NH-NH2": "H4N2", "OBzl": "C7H8O", "SBzl": "C7H8S", "MCA": "C10H9NO2",
    "ACC": "C11H10N2O3", "βNA": "C10H9N", "bNA": "C10H9N", "4MβNA": "C11H11NO",
    "EDANS": "C12H14N2O3S",
}  # fmt: skip
"""The amine, alcohol or alkane that takes the place of water."""
UNIMOD = {
    "Acetyl": 42.010565, "Amidated": -0.984016, "Carbamidomethyl": 57.021464,
    "Carbamyl": 43.005814, "Phospho": 79.966331, "Methyl": 14.015650, "Oxidation": 15.994915,
    "Dimethyl": 28.031300, "Trimethyl": 42.046950, "Sulfo": 79.956815, "Myristoyl": 210.198366,
    "Palmitoyl": 238.229666, "Propionyl": 56.026215, "Succinyl": 100.016044, "GG": 114.042927,
    "Formyl": 27.994915, "Dioxidation": 31.989829, "Malonyl": 86.000394, "Butyryl": 70.041865,
    "Biotin": 226.077598, "Carboxymethyl": 58.005479, "Propionamide": 71.037114,
    "Glu->pyro-Glu": -18.010565, "Gln->pyro-Glu": -17.026549, "Methylthio": 45.987721,
    "Glutathione": 305.068156, "Ethyl": 28.031300, "Cysteinyl": 119.004099,
    "Octanoyl": 126.104465, "Decanoyl": 154.135765, "Crotonyl": 68.026215,
}  # fmt: skip
"""Monoisotopic masses that Unimod adds."""
PSI_MOD = {
    "2-pyrrolidone-5-carboxylic acid (Gln)": -17.026549, "O-phospho-L-serine": 79.966331,
    "O-phospho-L-threonine": 79.966331, "O4'-phospho-L-tyrosine": 79.966331,
    "N6-acetyl-L-lysine": 42.010565, "symmetric dimethyl-L-arginine": 28.031300,
    "asymmetric dimethyl-L-arginine": 28.031300, "omega-N-methyl-L-arginine": 14.015650,
    "N6,N6,N6-trimethyl-L-lysine": 43.054227, "N6,N6-dimethyl-L-lysine": 28.031300,
    "N6-methyl-L-lysine": 14.015650, "N6-palmitoyl-L-lysine": 238.229666,
    "N6-myristoyl-L-lysine": 210.198365, "S-palmitoyl-L-cysteine": 238.229666,
    "N6-biotinyl-L-lysine": 226.077599, "O4'-sulfo-L-tyrosine": 79.956815,
    "N6-formyl-L-lysine": 27.994915, "L-citrulline": 0.984016, "S-methyl-L-cysteine": 14.015650,
    "L-methionine sulfone": 31.989829, "O-octanoyl-L-serine": 126.104465,
    "O-acetyl-L-serine": 42.010565, "O-decanoyl-L-serine": 154.135765,
    "O-octanoyl-L-threonine": 126.104465, "S-carboxamidoethyl-L-cysteine": 71.037114,
    "2-pyrrolidone-5-carboxylic acid (Glu)": -18.010565, "L-methionine sulfoxide": 15.994915,
    "3'-chloro-L-tyrosine": 33.961028, "S-carboxamidomethyl-L-cysteine": 57.021464,
    "S-carboxymethyl-L-cysteine": 58.005479, "S-(acetylamino)methyl-L-cysteine": 71.037114,
    "O-benzyl-L-serine": 90.046950, "O-benzyl-L-threonine": 90.046950,
    "S-benzyl-L-cysteine": 90.046950, "N6-ethyl-L-lysine": 28.031300,
    "N6-propanoyl-L-lysine": 56.026215, "3'-iodo-L-tyrosine": 125.896648,
    "N6-carbamoyl-L-lysine": 43.005814, "N6-butanoyl-L-lysine": 70.041865,
    "3'-nitro-L-tyrosine": 44.985078, "N6-succinyl-L-lysine": 100.016044,
    "N6-crotonyl-L-lysine": 68.026215, "N6-malonyl-L-lysine": 86.000394,
    "N6-glutaryl-L-lysine": 114.031694,
}  # fmt: skip
"""Monoisotopic masses that PSI-MOD adds, with the charge of the trimethyl group."""
RING_GROUPS = {
    "F": "FH-1", "Cl": "ClH-1", "Br": "BrH-1", "I": "IH-1", "NO2": "NO2H-1", "NH2": "NH",
    "CN": "CNH-1", "CF3": "CF3H-1", "Me": "CH2", "OMe": "CH2O",
}  # fmt: skip
"""What a group at a ring adds to a formula."""
ELECTRON = 0.000548580
PERIODIC = Chem.GetPeriodicTable()


def mass_of(formula: str) -> float:
    """Return the monoisotopic mass of a formula."""
    parts = re.findall(r"([A-Z][a-z]?)(-?\d*)", formula)
    return sum(PERIODIC.GetMostCommonIsotopeMass(e) * int(n or 1) for e, n in parts)


def mol_of(*monomers: str) -> Chem.Mol:
    """Return the molecule of a chain of monomers."""
    helm = Peptide([[token(monomer) for monomer in monomers]]).helm()
    smiles = smiles_of_translated("", helm, None)
    assert smiles
    return Chem.MolFromSmiles(smiles)


def mass(*monomers: str) -> float:
    """Return the monoisotopic mass of a chain of monomers, electrons of charges included."""
    mol = mol_of(*monomers)
    return ExactMolWt(mol) + ELECTRON * Chem.GetFormalCharge(mol)


WATER = mass_of("H2O")


def test_the_formulas_cover_the_table() -> None:
    assert FORMULAS.keys() == table()["residues"].keys()
    assert N_CAPS.keys() == table()["n_caps"].keys()
    own = {name for name, cap in table()["c_caps"].items() if cap in ("", "al", "ol")}
    assert C_CAPS.keys() == table()["c_caps"].keys() - own
    assert UNIMOD.keys() == table()["proforma"].keys()
    assert PSI_MOD.keys() == table()["psi_mod"].keys()
    assert RING_GROUPS.keys() == table()["ring_groups"].keys()


@pytest.mark.parametrize("name", FORMULAS)
def test_a_residue_has_its_formula(name: str) -> None:
    assert mass(table()["residues"][name]) == pytest.approx(mass_of(FORMULAS[name]), abs=1e-4)


@pytest.mark.parametrize("name", table()["modified"])
def test_a_group_adds_its_formula_to_its_residue(name: str) -> None:
    expected = mass(name[0]) + mass_of(GROUPS[name[2:-1]])
    assert mass(table()["modified"][name]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", [name for name, cap in table()["n_caps"].items() if cap])
def test_a_cap_at_the_n_end_adds_its_formula(name: str) -> None:
    expected = mass("G", "A") + mass_of(N_CAPS[name])
    assert ExactMolWt(read(f"{name}-Gly-Ala", "three-letter")) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", C_CAPS)
def test_a_cap_at_the_c_end_adds_its_formula_without_water(name: str) -> None:
    expected = mass("G", "A") + mass_of(C_CAPS[name]) - WATER
    assert mass("G", "A", table()["c_caps"][name]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", UNIMOD)
def test_a_modification_of_proforma_adds_the_mass_of_unimod(name: str) -> None:
    found = table()["proforma"][name]
    proton = mass_of("H") if name == "Trimethyl" else 0  # a cation; Unimod counts it as neutral
    for residue in found.get("residues", ""):
        changed = mass(changed_monomer(residue, found))
        assert changed - mass(residue) - proton == pytest.approx(UNIMOD[name], abs=1e-4)
    for end, chain in (("n", [0, "G"]), ("c", ["G", 0])):
        if end in found:
            cap = table()[f"{end}_caps"][found[end]]
            changed = mass(*[cap if part == 0 else str(part) for part in chain])
            assert changed - mass("G") == pytest.approx(UNIMOD[name], abs=1e-4)


def changed_monomer(residue: str, mod: dict[str, str]) -> str:
    """Return the monomer that a modification of ProForma makes of a residue."""
    if "to" in mod:
        return str(table()["residues"][mod["to"]])
    return str(modified_monomer(residue, mod["modification"]))


@pytest.mark.parametrize("name", PSI_MOD)
def test_a_modification_of_proforma_adds_the_mass_of_psi_mod(name: str) -> None:
    mod = table()["psi_mod"][name]
    monomer = changed_monomer(mod["residues"], mod)
    changed = ExactMolWt(mol_of(monomer)) - mass(mod["residues"])
    assert changed == pytest.approx(PSI_MOD[name], abs=1e-4)


@pytest.mark.parametrize("name", RING_GROUPS)
@pytest.mark.parametrize("place", ["F2", "F3", "F4", "Y3"])
def test_a_group_at_a_ring_adds_its_formula_at_its_place(name: str, place: str) -> None:
    monomer = modified_monomer(place[0], f"{place[1]}-{name}")
    assert monomer
    assert mass(monomer) == pytest.approx(mass(place[0]) + mass_of(RING_GROUPS[name]), abs=1e-4)
    mol = mol_of(monomer)
    ring = mol.GetSubstructMatch(Chem.MolFromSmarts("[CX4]c1cccc[c,n]1"))
    steps = {
        len(Chem.GetShortestPath(mol, ring[1], atom.GetIdx()))
        for atom in mol.GetAtoms()
        if atom.GetIsAromatic() and atom.GetDegree() == 3 and atom.GetIdx() != ring[1]
    }
    assert steps == ({int(place[1])} if place[0] == "F" else {3, 4})


CHIRAL = {
    "Orn": "S", "Nle": "S", "Cit": "S", "Abu": "S", "Cha": "S", "Phg": "S", "Tic": "S",
    "Pip": "S", "Tle": "S", "1Nal": "S", "2Nal": "S", "3Pal": "S", "Pen": "R", "Dab": "S",
    "Dap": "S", "Sec": "R", "pGlu": "S", "pSer": "S", "pTyr": "S", "Chg": "S", "Hcy": "S",
    "pThr": "SR", "Hyp": "RS", "aIle": "SR", "aThr": "SS", "Pyl": "RRS",
    "Sta": "SS", "γGlu": "S", "isoAsp": "S",
}  # fmt: skip
"""CIP labels of the names, in any order."""


@pytest.mark.parametrize("name", CHIRAL)
def test_a_residue_has_the_stereocentres_of_its_name(name: str) -> None:
    mol = mol_of(table()["residues"][name])
    labels = [label for _, label in Chem.FindMolChiralCenters(mol, useLegacyImplementation=False)]
    assert sorted(labels) == sorted(CHIRAL[name])


@pytest.mark.parametrize("name", table()["modified"])
def test_a_modified_residue_is_an_l_residue(name: str) -> None:
    mol = mol_of(table()["modified"][name])
    natural = Chem.MolFromSmarts("N[C@@H](C)C(=O)O")
    assert mol.HasSubstructMatch(natural, useChirality=True)


@pytest.mark.parametrize("section", ["residues", "modified", "n_caps", "c_caps"])
def test_rings_have_five_or_six_atoms_but_the_macrocycle_of_dota(section: str) -> None:
    sizes = {
        (name, len(ring))
        for name, monomer in table()[section].items()
        if "[*:" in monomer
        for ring in Chem.GetSymmSSSR(Chem.MolFromSmiles(monomer))
    }
    assert {(name, size) for name, size in sizes if size not in (5, 6)} <= {("DOTA", 12)}


def test_biotin_is_the_natural_one() -> None:
    acid = Chem.MolFromSmiles(table()["n_caps"]["Biotin"].replace("[*:2]", "O"))
    iupac = {"4": "S", "3a": "S", "6a": "R"}  # 3aS,4S,6aR
    labels = [label for _, label in Chem.FindMolChiralCenters(acid, useLegacyImplementation=False)]
    assert sorted(labels) == sorted(iupac.values())
    by_place = {
        atom.GetIdx(): atom.GetProp("_CIPCode")
        for atom in acid.GetAtoms()
        if atom.HasProp("_CIPCode")
    }
    chain = acid.GetSubstructMatch(Chem.MolFromSmarts("[CX4;R]([CH2;!R])S"))[0]
    beside = acid.GetSubstructMatch(Chem.MolFromSmarts("[CX4;R](N)[CH2;R]S"))[0]
    assert by_place[chain] == "S"
    assert by_place[beside] == "R"  # C6a
