"""HELM written as SMILES by templates is the molecule that helmkit builds atom by atom."""

from __future__ import annotations

import csv
import gzip
from itertools import combinations
from pathlib import Path

import pytest
from helmkit import Molecule
from rdkit import Chem

from pepland_data import InvalidMoleculeError
from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.monomers.given_files import given_monomers
from pepland_data.chem.monomers.library import library_of
from pepland_data.chem.notation.helm import read_helm
from pepland_data.chem.notation.helm_smiles import helm_smiles
from tests.helpers.monomer_files import MOLECULES, write_library

WRITTEN = {
    "PEPTIDE1{G.[Nal].G}$$$$V2.0": "NCC(=O)N[C@@H](Cc1ccc2ccccc2c1)C(=O)NCC(=O)O",
    "PEPTIDE1{[meA].[Cha].L}$PEPTIDE1,PEPTIDE1,3:R2-1:R1$$$":
        "N%10(C)[C@@H](C)C(=O)N[C@@H](CC1CCCCC1)C(=O)N[C@@H](CC(C)C)C%10=O",
    "PEPTIDE1{K.A.[meG].D}$PEPTIDE1,PEPTIDE1,1:R3-4:R3$$$":
        "N[C@@H](CCCCN%10)C(=O)N[C@@H](C)C(=O)N(C)CC(=O)N[C@@H](CC%10=O)C(=O)O",
    "PEPTIDE1{K}|PEPTIDE2{A}$PEPTIDE1,PEPTIDE2,1:R3-1:R2$$$":
        "N[C@@H](CCCCN%10)C(=O)O.N[C@@H](C)C%10=O",
    "PEPTIDE1{[meA].K.[am]}|PEPTIDE2{[ac].[meE]}$PEPTIDE2,PEPTIDE1,2:R2-2:R3$$$":
        "N(C)[C@@H](C)C(=O)N[C@@H](CCCCN%10)C(=O)N.CC(=O)N(C)[C@@H](CCC(=O)O)C%10=O",
    "PEPTIDE1{C.[dPhe(3,4-diF)].C.[Aib].[dC].G.C}$PEPTIDE1,PEPTIDE1,1:R3-5:R3|PEPTIDE1,PEPTIDE1,3:R3-7:R3$$$":
        None,
    "PEPTIDE1{G.[Ac3c].[Ac5c].[Me_Bmt(E)]}$PEPTIDE1,PEPTIDE1,4:R2-1:R1$$$": None,
    "PEPTIDE1{[Ac5c].[meA]}|PEPTIDE2{[meA].G}$PEPTIDE2,PEPTIDE1,2:R2-1:R1$$$": None,
}  # fmt: skip
"""HELM -> its SMILES by hand from the structures of the monomers, or None for a long one."""
LEFT = (
    "PEPTIDE1{A.C.[dC]}$PEPTIDE1,PEPTIDE1,2:R3-3:R3$$$",  # RDKit reads it
    "PEPTIDE1{[ac].[Orn].[am]}$$$$",
    "PEPTIDE1{[meA]}|CHEM1{[MCC]}$PEPTIDE1,CHEM1,1:R2-1:R1$$$",
    "RNA1{[dR](A)P}$$$$",
    "BLOB1{Bead}$$$$",
    "PEPTIDE1{[meA]'2'}$$$$V2.0",
    "PEPTIDE1{(A,[meA]).G}$$$$V2.0",
    'PEPTIDE1{[meA]"note"}$$$$V2.0',
    "PEPTIDE1{[meA].[[*:1]N[C@@H](C)C([*:2])=O]}$$$$",
    "PEPTIDE1{[meA]}|PEPTIDE2{G}$PEPTIDE1,PEPTIDE2,1:pair-1:pair$$$V2.0",
    "PEPTIDE1{[meA].[NoSuch]}$$$$",
    "PEPTIDE1{[meA].[am].G}$$$$",  # [am] has no R2
    "PEPTIDE1{[meA].K.G}$PEPTIDE1,PEPTIDE1,2:R3-4:R2$$$",
    "PEPTIDE1{[meA].K.G}$PEPTIDE1,PEPTIDE2,2:R3-3:R2$$$",
    "PEPTIDE1{[meA].K.G}$PEPTIDE1,PEPTIDE1,2:R3-2:R1$$$",
    "PEPTIDE1{[meA].K.G}$PEPTIDE1,PEPTIDE1,2:R3-1:R2$$$",  # R2 of 1 is bonded in the chain
    "PEPTIDE1{[Ac5c].K.G}$PEPTIDE1,PEPTIDE1,2:R3-1:R2$$$",
    "PEPTIDE1{[meA]}|PEPTIDE1{G}$$$$",
    "PEPTIDE1{}$$$$",
    "",
)


def by_helmkit(helm: str, given: GivenMonomers | None = None) -> str | None:
    """Return the canonical SMILES of helmkit's molecule, None if it has none."""
    try:
        return Chem.CanonSmiles(Chem.MolToSmiles(Molecule(helm, library_of(given).monomers).mol))
    except (ValueError, RuntimeError, TypeError):
        return None


@pytest.mark.parametrize(("helm", "smiles"), WRITTEN.items())
def test_helm_is_written_residue_by_residue(helm: str, smiles: str | None) -> None:
    written = helm_smiles(helm)
    assert smiles in (None, written)
    assert Chem.CanonSmiles(written) == by_helmkit(helm)


@pytest.mark.parametrize("helm", LEFT)
def test_what_cannot_be_written_is_left_to_other_readers(helm: str) -> None:
    assert helm_smiles(helm) is None


def test_the_reader_of_single_texts_has_the_atoms_of_the_smiles() -> None:
    for helm in WRITTEN:
        read, written = read_helm(helm), Chem.MolFromSmiles(helm_smiles(helm))
        assert [a.GetSymbol() for a in read.GetAtoms()] == [
            a.GetSymbol() for a in written.GetAtoms()
        ]
        assert Chem.MolToCXSmiles(read) == Chem.MolToCXSmiles(written)


def test_a_bond_to_a_stereocentre_of_a_given_monomer_keeps_its_sense(tmp_path: Path) -> None:
    given = given_monomers([write_library(tmp_path / "lib.csv")])
    for helm, smiles in MOLECULES.items():
        assert Chem.CanonSmiles(helm_smiles(helm, given)) == Chem.CanonSmiles(smiles)


def texts_with(symbol: str, points: tuple[int, ...]) -> list[str]:
    """Return texts with a monomer in a chain, and with each choice of its points connected."""
    places = {(): "{}", (1,): "[meA].{}", (2,): "{}.[meA]", (1, 2): "[meA].{}.[meA]"}
    known = [place for ends, place in places.items() if set(ends) <= set(points)]
    texts = [f"PEPTIDE1{{{place.format(f'[{symbol}]')}}}$$$$" for place in known]
    for count in range(1, len(points) + 1):
        for chosen in combinations(points, count):
            chains = [f"PEPTIDE1{{[{symbol}]}}", *(f"PEPTIDE{n + 1}{{[meF]}}" for n in chosen)]
            bonds = [f"PEPTIDE1,PEPTIDE{n + 1},1:R{n}-1:R{1 + n % 2}" for n in chosen]
            texts.append(f"{'|'.join(chains)}${'|'.join(bonds)}$$$")
    return texts


def test_every_bundled_monomer_is_the_same_molecule_in_every_place() -> None:
    written = left = 0
    for symbol, data in library_of(None).monomers["aa"].items():
        points = tuple(n for n, atom in enumerate(data["m_RgroupIdx"], 1) if atom is not None)
        for helm in texts_with(symbol, points):
            smiles = helm_smiles(helm)
            left += smiles is None and by_helmkit(helm) is not None
            written += smiles is not None
            assert smiles is None or Chem.CanonSmiles(smiles) == by_helmkit(helm), helm
    assert written > 4000
    assert left < 200


def check_corpus(rows: Path, library: Path | None) -> tuple[int, int]:
    """Return how many rows are written, each as helmkit's molecule, and how many are read."""
    given = given_monomers([library]) if library else None
    written = read = 0
    with gzip.open(rows, "rt") as file:
        texts = [row["helm"] for row in csv.DictReader(file)]
    for text in texts:
        smiles = helm_smiles(text, given)
        written += smiles is not None
        if smiles is not None:
            assert Chem.MolFromHELM(text) is None or library_of(given).overrides_rdkit(text), text
            assert Chem.CanonSmiles(smiles) == by_helmkit(text, given), text
        try:
            read += read_helm(text, given) is not None
        except InvalidMoleculeError:
            assert smiles is None
    return written, read


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "library", "counts"),
    [
        ("chembl_helm.csv.gz", "chembl_monomers.xml.gz", (13879, 22042)),
        ("chembl_helm.csv.gz", None, (2357, 13082)),
        ("cycpeptmpdb.csv.gz", "monomers.csv.gz", (7270, 7451)),
        ("cycpeptmpdb.csv.gz", "chembl_monomers.xml.gz", (5648, 5829)),
    ],
)
def test_all_rows_of_the_corpora_are_the_molecules_of_helmkit(
    shared_dir: Path, rows: str, library: str | None, counts: tuple[int, int]
) -> None:
    corpus = shared_dir / "data" / "corpus"
    assert check_corpus(corpus / rows, corpus / library if library else None) == counts
