"""HELM is read with given monomer libraries, and never as another molecule."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from rdkit import Chem

from pepland_data import FeaturizeOptions, Featurizer, InputError, InvalidMoleculeError
from pepland_data.chem.monomers.definition import Monomer
from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.monomers.given_files import given_monomers
from pepland_data.chem.monomers.library import LETTERS, MonomerLibrary, bundled_monomers
from pepland_data.chem.monomers.library_files import read_library
from pepland_data.chem.notation.helm import read_helm
from tests.helpers.commands import cli
from tests.helpers.monomer_files import KINDS, MOLECULES, write_library


def smiles_of(helm: str, given: GivenMonomers | None = None) -> str:
    return str(Chem.MolToSmiles(read_helm(helm, given)))


def reason_of(helm: str, given: GivenMonomers | None = None) -> str:
    with pytest.raises(InvalidMoleculeError) as caught:
        read_helm(helm, given)
    return caught.value.reason


def library(tmp_path: Path, *rows: str, name: str = "lib.csv") -> Path:
    (tmp_path / name).write_text("\n".join(["Symbol,CXSMILES,R1,R2,R3", *rows]) + "\n")
    return tmp_path / name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_each_kind_of_file_gives_the_same_molecules(tmp_path: Path, kind: str, pack) -> None:
    path = write_library(tmp_path / "lib", kind)
    path.write_bytes(pack(path.read_bytes()))
    given = given_monomers([path])
    assert given.notes == ()
    for helm, smiles in MOLECULES.items():
        assert smiles_of(helm, given) == Chem.CanonSmiles(smiles)


def test_bundled_monomers_are_what_helmkit_makes_of_them() -> None:
    from helmkit import Molecule, load_monomer_library

    monomers = bundled_monomers().values()
    ours = MonomerLibrary([(m.polymer, m.symbol, m.smiles, m.caps, "") for m in monomers]).monomers
    bundled = MonomerLibrary([]).monomers
    mirrored = set()
    for monomer in monomers:
        if monomer.symbol in LETTERS:
            continue  # helmkit has them under other symbols
        text = in_context(monomer)
        libraries = (ours, bundled, load_monomer_library())
        found, same, plain = (Chem.MolToSmiles(Molecule(text, lib).mol) for lib in libraries)
        canonical = [Chem.MolFromSmiles(smiles) for smiles in (found, same, plain)]
        if None not in canonical:
            found, same, plain = map(Chem.MolToSmiles, canonical)
        assert found == same, text
        mirrored |= {monomer.symbol} if found != plain else set()
    assert mirrored == {"RSpabCNA", "SRpabCNA", "Smc"}


def test_letters_of_rare_residues_are_the_monomers_of_other_symbols() -> None:
    assert smiles_of("PEPTIDE1{A.U.O.G}$$$$V2.0") == smiles_of("PEPTIDE1{A.[seC].[Pyl].G}$$$$")


def test_a_stereocentre_keeps_its_sense_whatever_the_order_of_its_bonds() -> None:
    """Smc has a base on a stereocentre; the SMILES is written from the library by hand."""
    assert smiles_of("RNA1{[Smc](A)P}$$$$") == Chem.CanonSmiles(
        "C(O)[C@@H]1[C@@H](OP(O)(O)=O)C[C@]2(n3cnc4c(N)ncnc43)C[C@@H]12"
    )


def in_context(monomer: Monomer) -> str:
    """Return a text with a monomer where it may stand: sugar, base or linker of a nucleotide."""
    points = [number for number, _ in monomer.caps]
    if monomer.polymer != "RNA":
        return f"{monomer.polymer}1{{[{monomer.symbol}]}}$$$$"
    place = {(1,): "R([X])P", (1, 2): "R(A)[X].R(A)", (1, 2, 3): "[X](A)P"}
    return f"RNA1{{{place.get(tuple(points), '[X]').replace('X', monomer.symbol)}}}$$$$"


def test_identical_natural_residues_leave_graphs_as_they_are(tmp_path: Path) -> None:
    path = library(
        tmp_path, "W,C(c1c[nH]c2ccccc12)[C@@H](C([*])=O)N[*] |$;;;;;;;;;;;;_R2;;;_R1$|,H,OH,-"
    )
    given = given_monomers([path])
    assert given.notes == ()
    helm = ["PEPTIDE1{A.W.D}$$$$"]
    with_library = Featurizer(FeaturizeOptions(input_format="helm", monomers=given)).convert(helm)
    without = Featurizer(FeaturizeOptions(input_format="helm")).convert(helm)
    for name, values in vars(without.columns).items():
        assert (vars(with_library.columns)[name] == values).all(), name


def test_a_redefined_residue_wins_over_rdkit_and_is_said(tmp_path: Path) -> None:
    path = library(tmp_path, "A,FC[C@H](N[*])C([*])=O |$;;;;_R1;;_R2;$|,H,OH,-")
    given = given_monomers([path])
    assert smiles_of("PEPTIDE1{G.A}$$$$", given) == Chem.CanonSmiles("NCC(=O)N[C@@H](CF)C(=O)O")
    assert smiles_of("PEPTIDE1{G.A}$$$$") == Chem.CanonSmiles("NCC(=O)N[C@@H](C)C(=O)O")
    assert [note.rpartition(" of ")[2] for note in given.notes] == ["A", "A"]


def test_the_last_file_wins(tmp_path: Path) -> None:
    one = library(tmp_path, "Zz,CN[*] |$;;_R1$|,H,-,-", name="one.csv")
    two = library(tmp_path, "Zz,CCN[*] |$;;;_R1$|,H,-,-", name="two.csv")
    given = given_monomers([one, two])
    assert smiles_of("PEPTIDE1{G.[Zz]}$$$$", given) == "CCNC(=O)CN"
    assert given.notes == ("two.csv replaces other definitions of Zz",)
    assert [entry["name"] for entry in given.record()] == ["one.csv", "two.csv"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("Bad,CC(,H,-,-", "cannot be read"),
        ("Bad,CCO,-,-,-", "no attachment point"),
        ("Bad,CN[*] |$;;_R1$|,Foo,-,-", "'Foo' of R1 is unknown"),
        ("Bad,CN[*] |$;;_R1$|,H,OH,-", "cap OH for R2"),
        ("Bad,CN[*] |$;_R1;$|,H,-,-", "an atom N, not an attachment point"),
        ("Bad,C=[*] |$;_R1$|,H,-,-", "one single bond"),
        ("Bad,CN([*])C[*] |$;;_R1;;$|,H,-,-", "no numbered attachment point"),
        ("Bad,[*]C.N[*] |$_R1;;;_R2$|,H,H,-", "not in one piece"),
        ("Bad,CN(C)(C)(C)[*] |$;;;;;_R1$|,H,-,-", "its structure is wrong"),
    ],
)
def test_a_wrong_monomer_is_named_and_the_others_are_used(
    tmp_path: Path, row: str, why: str
) -> None:
    given = given_monomers([library(tmp_path, row, "Zz,CN[*] |$;;_R1$|,H,-,-")])
    (note,) = given.notes
    assert "'Bad'" in note
    assert why in note
    assert smiles_of("PEPTIDE1{G.[Zz]}$$$$", given) == "CNC(=O)CN"
    assert why in reason_of("PEPTIDE1{G.[Bad]}$$$$", given)


def test_a_wrong_monomer_does_not_fall_back_to_the_bundled_one(tmp_path: Path) -> None:
    given = given_monomers([library(tmp_path, "A,CC(,H,OH,-", "meA,CC(,H,OH,-")])
    for symbol in ("A", "meA"):
        assert "unusable monomer" in reason_of(f"PEPTIDE1{{G.[{symbol}]}}$$$$", given)


XML = "<MonomerDB><Monomer><MonomerID>Z</MonomerID></Monomer></MonomerDB>"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"smiles,name\nCC,x\n", "first line is 'smiles,name'"),
        (b"Symbol,CXSMILES\n", "holds no monomers"),
        (b'{"no": "monomers"}', "holds no monomers"),
        (b"[1, 2]", "no monomer library"),
        (b"[{", "no monomer library"),
        (b"<html><p>", "no monomer library"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + XML.encode(), "a DTD or entities"),
        (b"\x1f\x8b\x08nonsense", "cannot be read to its end"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"Symbol,CXSMILES\nZ,CN[*] |$;;_R1$|\nZ,CCN[*] |$;;;_R1$|\n", "defines 'Z' twice"),
    ],
)
def test_a_file_that_is_no_library_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "lib").write_bytes(content)
    with pytest.raises(InputError, match=why) as caught:
        given_monomers([tmp_path / "lib"])
    assert str(tmp_path / "lib") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_too_large_is_refused(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(InputError, match="there is no monomer library"):
        read_library(tmp_path / "none.csv")
    path = write_library(tmp_path / "lib.csv")
    monkeypatch.setattr("pepland_data.chem.monomers.library_files.MOST_BYTES", 50)
    with pytest.raises(InputError, match="more than 50 bytes"):
        read_library(path)


def test_an_unknown_monomer_is_named_with_the_remedy() -> None:
    reason = reason_of("PEPTIDE1{A.[NoSuch]}$$$$")
    assert "'NoSuch'" in reason
    assert "--monomers FILE" in reason
    assert "but 'meA' is" in reason_of("PEPTIDE1{A.[mea]}$$$$")


WHOLE = "C[C@H](N)C(=O)N[C@@H](C)C(=O)NCC(=O)O"


@pytest.mark.parametrize(
    ("helm", "smiles"),
    [
        ("PEPTIDE1{A'2'.G}$$$$V2.0", WHOLE),
        ("PEPTIDE1{(A)'2'.G}$$$$V2.0", WHOLE),
        ('PEPTIDE1{A"a.$|note".A.G}$$$$V2.0', WHOLE),
        ("PEPTIDE1{A.[[*:1]N[C@@H](C)C([*:2])=O].G}$$$$", WHOLE),
        ("PEPTIDE1{A.[*N[C@@H](C)C(*)=O |$_R1;;;;;_R2;$|].G}$$$$", WHOLE),
        ("PEPTIDE1{A.[*N[C@@H](C)C(*)=O|$_R1;;;;;_R2;$|].G}$$$$V2.0", WHOLE),
        ("PEPTIDE1{A.[C([*])(=O)[C@H](C)N[*] |$;_R2;;;;;_R1$|].G}$$$$", WHOLE),
        ("PEPTIDE1{A.[[*:1]N[C@@H](C)C(=O)O].G}$$$$", WHOLE),
        ("PEPTIDE1{A.A.G}|PEPTIDE2{G}$PEPTIDE1,PEPTIDE2,1:pair-1:pair$$$V2.0", f"{WHOLE}.NCC(=O)O"),
        ("PEPTIDE1{A}|CHEM1{[[*:1]OCCO]}$PEPTIDE1,CHEM1,1:R2-1:R1$$$", "C[C@H](N)C(=O)OCCO"),
        ("PEPTIDE1{G.[Nal].G}$$$$", "NCC(=O)N[C@@H](Cc1ccc2ccccc2c1)C(=O)NCC(=O)O"),
        ("PEPTIDE1{G.[seC]}$$$$", "NCC(=O)N[C@@H](C[SeH])C(=O)O"),
        ("RNA1{[dR](A)P}$$$$", "Nc1ncnc2c1ncn2[C@H]1C[C@H](OP(=O)(O)O)[C@@H](CO)O1"),
        ("RNA1{([dR](A)P)'2'.[dR](T)}$$$$V2.0", None),
    ],
)
def test_helm_is_read_as_the_molecule_that_it_describes(helm: str, smiles: str | None) -> None:
    longer = "RNA1{[dR](A)P.[dR](A)P.[dR](T)}$$$$"
    assert smiles_of(helm) == (smiles_of(longer) if smiles is None else Chem.CanonSmiles(smiles))


@pytest.mark.parametrize(
    ("helm", "why"),
    [
        ("PEPTIDE1{A'1-3'.G}$$$$V2.0", "no one molecule"),
        ("PEPTIDE1{(A,G).G}$$$$V2.0", "an ambiguous monomer"),
        ("PEPTIDE1{(A.G)}$$$$V2.0", "a group without repeats"),
        ("PEPTIDE1{A.K(A).G}$$$$", "a branch in parentheses"),
        ("PEPTIDE1{A}|PEPTIDE2{G}$$G1(PEPTIDE1+PEPTIDE2)$$V2.0", "a group of polymers"),
        ("PEPTIDE1{C'2'}$PEPTIDE1,PEPTIDE1,1:R3-2:R3$$$V2.0", "write out the repeats"),
        ("PEPTIDE1{(A'9999')'9999'}$$$$V2.0", "more than 10,000 monomers"),
        ("PEPTIDE1{" + "(" * 3000 + "A" + ")'2'" * 3000 + "}$$$$V2.0", "unreadable HELM"),
        ("PEPTIDE1{A.[*N[C@@H](C)C(*)=O |$_R1;;;;_R2;$|].G}$$$$", "R2 labels an atom C"),
        ("BLOB1{Bead}$$$$", "BLOB"),
    ],
)
def test_helm_that_is_no_one_molecule_is_refused_by_name(helm: str, why: str) -> None:
    assert why in reason_of(helm)


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def check_chembl(corpus: Path, step: int) -> tuple[int, int]:
    """Return how many rows were read and rejected; the reject names an unknown monomer."""
    given = given_monomers([corpus / "chembl_monomers.xml.gz"])
    texts = [row["helm"] for row in rows_of(corpus / "chembl_helm.csv.gz")[::step]]
    done = Featurizer(FeaturizeOptions(input_format="helm", monomers=given)).convert(texts)
    assert all("unknown monomer" in reject.reason for reject in done.rejects)
    return len(done.kept), len(done.rejects)


def check_cycpeptmpdb(corpus: Path, step: int) -> int:
    """Return how many rows were read, each as the molecule of its SMILES."""
    given = given_monomers([corpus / "monomers.csv.gz"])
    rows = rows_of(corpus / "cycpeptmpdb.csv.gz")[::step]
    for row in rows:
        assert smiles_of(row["helm"], given) == Chem.CanonSmiles(row["smiles"]), row["helm"]
    return len(rows)


def test_every_hundredth_peptide_of_chembl_is_read(shared_dir: Path) -> None:
    assert check_chembl(shared_dir / "data" / "corpus", 100) == (221, 0)


def test_every_twentieth_macrocycle_is_the_molecule_of_its_smiles(shared_dir: Path) -> None:
    assert check_cycpeptmpdb(shared_dir / "data" / "corpus", 20) == 373


@pytest.mark.slow
def test_all_peptides_of_chembl_but_four_are_read(shared_dir: Path) -> None:
    assert check_chembl(shared_dir / "data" / "corpus", 1) == (22042, 4)


@pytest.mark.slow
def test_all_macrocycles_are_the_molecules_of_their_smiles(shared_dir: Path) -> None:
    assert check_cycpeptmpdb(shared_dir / "data" / "corpus", 1) == 7451


def test_the_command_lists_searches_and_draws(tmp_path: Path) -> None:
    path = write_library(tmp_path / "lib.xml")
    found = json.loads(cli("monomers", str(path), "--search", "zb", "--json").stdout)
    assert [m["symbol"] for m in found["monomers"]] == ["Zbb"]
    assert found["monomers"][0]["caps"] == {"R1": "H", "R2": "OH", "R3": "H"}
    assert b"meA" in cli("monomers", "--search", "meA").stdout
    drawn = cli("monomers", str(path), "--draw", str(tmp_path / "two.svg"))
    assert drawn.returncode == 0
    assert (tmp_path / "two.svg").read_text().count("<svg") == 1
    assert cli("monomers", "--draw", str(tmp_path / "all.svg")).returncode == 1


def test_show_reads_with_a_library(tmp_path: Path) -> None:
    path, helm = write_library(tmp_path / "lib.json"), "PEPTIDE1{G.[Zaa].G}$$$$"
    assert cli("show", helm).returncode == 1
    shown = json.loads(cli("show", helm, "--monomers", str(path), "--json").stdout)
    assert shown["num_atoms"] == Chem.MolFromSmiles(MOLECULES[helm]).GetNumAtoms()
