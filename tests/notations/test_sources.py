"""Real strings are the molecules of their sources, and the notations give no wrong molecule."""

from __future__ import annotations

import json

import pytest
from rdkit import Chem, rdBase

from benchmarks.bench_notations import FORMATS, OUTCOMES, Outcome, agrees, outcome, strings, table
from benchmarks.common.record import RESULTS
from tests.notations.test_condensed import refused

Found = dict[tuple[str, str], tuple[dict[str, str], Outcome]]


@pytest.fixture(scope="module")
def found() -> Found:
    """Return the row and the outcome of each notation and text."""
    with rdBase.BlockLogs():
        return {(row["notation"], row["text"]): (row, outcome(row)) for row in strings()}


@pytest.fixture(scope="module")
def saved() -> dict[str, set[tuple[str, str]]]:
    """Return notation and text of the differences and gaps of the saved result."""
    results = json.loads((RESULTS / "notations.json").read_text(encoding="utf-8"))["results"]
    return {
        name: {(one["notation"], one["text"]) for one in results[name]}
        for name in ("differ", "gaps")
    }


def test_each_notation_has_two_hundred_strings_and_none_twice(found: Found) -> None:
    assert len(found) == len(strings())
    for notation in FORMATS:
        assert sum(of == notation for of, _ in found) >= 200


def test_what_differs_is_known_with_its_cause(
    found: Found, saved: dict[str, set[tuple[str, str]]]
) -> None:
    differ = {key for key, (_, one) in found.items() if one.name == "differ"}
    assert differ <= saved["differ"]
    assert all(found[key][0]["cause"] for key in differ)


def test_no_string_that_was_read_is_refused(
    found: Found, saved: dict[str, set[tuple[str, str]]]
) -> None:
    assert {key for key, (_, one) in found.items() if one.name == "gap"} <= saved["gaps"]


def test_a_string_without_one_structure_is_refused(found: Found) -> None:
    read = [key for key, (row, one) in found.items() if row["unclear"] and one.name != OUTCOMES[2]]
    assert read == []


def test_another_molecule_is_seen_whatever_the_source_gives() -> None:
    alanine, serine = (Chem.MolFromSmiles(s) for s in ("N[C@@H](C)C(=O)O", "N[C@@H](CO)C(=O)O"))
    given = {"smiles": "C[C@H](N)C(=O)O", "inchikey": "QNAYBMKLOCPYGJ-REOHCLBHSA-N",
             "formula": "C3H7NO2", "mass": "89.0477", "weight": "89.09"}  # fmt: skip
    for kind, expected in given.items():
        assert agrees(alanine, expected, kind)
        assert not agrees(serine, expected, kind)
    mirrored = Chem.MolFromSmiles("N[C@H](C)C(=O)O")
    assert not agrees(mirrored, given["smiles"], "smiles")
    assert not agrees(mirrored, given["inchikey"], "inchikey")


def test_salts_tautomers_and_flat_sources_are_no_difference() -> None:
    arginine = Chem.MolFromSmiles("N[C@@H](CCCNC(=N)N)C(=O)O")
    for source in (
        "N[C@@H](CCCN=C(N)N)C(=O)O",
        "NC(CCCNC(=N)N)C(=O)O",
        "Cl.N[C@@H](CCCN=C(N)N)C(=O)O",
    ):
        assert agrees(arginine, source, "smiles")


def test_the_table_has_a_row_for_each_notation() -> None:
    assert (
        table({"biln": dict.fromkeys(OUTCOMES, 2)}).splitlines()[-1]
        == "| biln | 8 | 2 | 2 | 2 | 2 |"
    )


FAULTS = {
    "Cyclo(S-Phe-S-Gln)": "S-Phe is a residue behind S, or one (S) form",
    "R-Phe-Gly": "one (R) form",
    "Z-Leu-asp-AMC": "it is Asp or several D residues",
    "Gly-phe-Ala": "it is Phe or several D residues",
}
"""Texts that were read as other molecules."""


@pytest.mark.parametrize("text", FAULTS)
def test_a_word_that_means_two_things_is_refused(text: str) -> None:
    for lowercase in ("refuse", "d-amino"):
        assert FAULTS[text] in refused(text, "three-letter", lowercase)


def test_empty_brackets_are_no_monomer() -> None:
    assert "monomer 2, '[]': it has no name" in refused("A-[]-C", "biln")
