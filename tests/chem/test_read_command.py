"""``pepland-data read``: what is understood of a text, for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rdkit import Chem

from tests.helpers.commands import cli
from tests.helpers.monomer_files import MOLECULES, write_library


def answer(*arguments: str, code: int = 0, stdin: bytes | None = None) -> Any:
    done = cli("read", *arguments, "--json", stdin=stdin)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_one_peptide_in_words() -> None:
    done = cli("read", "PEPTIDE1{[ac].A.C.[am]}$$$$")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        "PEPTIDE1{[ac].A.C.[am]}$$$$",
        "  notation   HELM",
        "  SMILES     CC(=O)N[C@@H](C)C(=O)N[C@@H](CS)C(N)=O",
        "  HELM       PEPTIDE1{[ac].A.C.[am]}$$$$",
        "  formula    C8H15N3O3S",
        "  mass       233.29 Da average, 233.0834 Da monoisotopic",
        "  charge     0",
        "  size       15 atoms, 2 residues, 0 rings",
    ]


@pytest.mark.parametrize(
    ("text", "notation", "helm"),
    [
        ("NCC(=O)N[C@@H](C)C(=O)O", "SMILES", "PEPTIDE1{G.A}$$$$"),
        ("GA", "sequence", "PEPTIDE1{G.A}$$$$"),
        ("PEPTIDE1{G.A}$$$$V2.0", "HELM", "PEPTIDE1{G.A}$$$$"),
        ("H-Gly-Ala-OH", "three-letter", "PEPTIDE1{G.A}$$$$"),
    ],
)
def test_notations_of_one_molecule(text: str, notation: str, helm: str) -> None:
    found = answer(text)
    assert (found["notation"], found["molecule"]["helm"]) == (notation, helm)
    assert found["molecule"]["formula"] == "C5H10N2O3"
    assert found["molecule"]["average_mass_da"] == pytest.approx(146.146, abs=1e-3)
    assert found["molecule"]["monoisotopic_mass_da"] == pytest.approx(146.06914, abs=1e-5)
    assert (found["molecule"]["atoms"], found["molecule"]["residues"]) == (10, 2)
    assert found["reject"] is None


@pytest.mark.parametrize("text", ["H-Sec-OH", "ACDE(pS)K", "CCO"])
def test_the_notation_is_the_one_that_the_text_was_read_in(text: str) -> None:
    found = answer(text)
    assert found["notation"] == ("SMILES" if text == "CCO" else "three-letter")
    assert not found["notes"]


def test_a_reject_has_stage_and_reason_and_ends_in_exit_code_1() -> None:
    found = answer("cyclo(RGDfK)", "CCO", code=1)
    assert [one["reject"] is None for one in found] == [False, True]
    assert found[0]["reject"]["stage"] == "parse"
    assert "--lowercase d-amino" in found[0]["reject"]["reason"]
    assert found[0]["molecule"] is None


def test_small_letters_are_d_residues_where_that_is_said() -> None:
    found = answer("cyclo(RGDfK)", "--lowercase", "d-amino")
    assert found["molecule"]["helm"] == "PEPTIDE1{D.[dF].K.R.G}$PEPTIDE1,PEPTIDE1,5:R2-1:R1$$$"
    assert found["molecule"]["formula"] == "C27H41N9O7"
    done = cli("read", "C((")
    assert done.returncode == 1
    assert "rejected" in done.stdout.decode()
    assert "(stage: parse)" in done.stdout.decode()


def test_no_peptide_is_read_and_its_lack_of_helm_explained() -> None:
    found = answer("CC(=O)[O-].[Na+]")
    assert found["molecule"]["helm"] is None
    assert "--standardize" in found["molecule"]["no_helm"]
    assert found["molecule"]["charge"] == 0
    assert answer("CC(=O)[O-]")["molecule"]["charge"] == -1
    assert "HELM       none: it is not one molecule" in cli("read", "C.C").stdout.decode()


def test_standardize_shows_what_it_changed() -> None:
    found = answer("NCC(=O)NCC(=O)[O-].[Na+]", "--standardize")
    assert found["molecule"]["helm"] == "PEPTIDE1{G.G}$$$$"
    assert any("removed [Na+]" in note for note in found["notes"])


def test_letters_with_two_meanings_get_a_note() -> None:
    found = answer("CNPS")
    assert found["notation"] == "SMILES"
    assert "--input-format sequence" in found["notes"][-1]
    found = answer("CNPS", "--input-format", "sequence")
    assert found["molecule"]["helm"] == "PEPTIDE1{C.N.P.S}$$$$"
    assert not found["notes"]


def test_warnings_of_a_build_are_shown() -> None:
    assert "nucleotides" in answer("ACGTACGTACGT")["notes"][0]


def test_lines_of_standard_input() -> None:
    found = answer("-", stdin=b"GA\n\n  AG \r\n")
    assert [one["text"] for one in found] == ["GA", "AG"]
    assert [one["text"] for one in answer("-", stdin=b"GA\n")] == ["GA"]
    done = cli("read", "-", stdin=b"\n")
    assert done.returncode == 1
    assert b"no text" in done.stderr


def test_a_mol_block_is_named() -> None:
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("NCC(=O)O"))
    found = answer(block)
    assert (found["notation"], found["molecule"]["helm"]) == ("mol block", "PEPTIDE1{G}$$$$")


def test_monomers_of_a_file_are_known(tmp_path: Path) -> None:
    library = write_library(tmp_path / "lib.csv")
    text = next(iter(MOLECULES))
    assert answer(text, code=1)["reject"]
    assert answer(text, "--monomers", str(library))["reject"] is None
