"""What the first rows of an input show is said before they are converted."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from pepland_data import BuildOptions, build
from pepland_data.builder.options import options_of
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.inputs.early_notes import FIRST_ROWS, early_notes, residues, warn_early
from pepland_data.inputs.read_input import read_blocks
from tests.helpers.commands import cli, cli_process
from tests.helpers.stores import PEPTIDES, files_of

AUTO = FeaturizeOptions(input_format="auto")
PROTEIN = "MKTAYIAKQRQISFVKSHFSRQ" * 16
ACCESSION, DNA, RNA = "P12345", "ACGTACGTTGCA", "GGCUACGUAACG"
REJECTED = "20 of the first 100 texts will be rejected: "


def mixed(text: str, count: int, of: int = 100) -> list[str]:
    """Return texts of which `count` are `text` and the others peptides."""
    return [text if place < count else PEPTIDES[place % 4] for place in range(of)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ACCESSION, f"{REJECTED}a protein accession is not read; fetch its sequence, or name"),
        ("56-40-6", f"{REJECTED}a CAS number is not read; look up its structure, or name another"),
        ("DHMQDGOQFOQNFH-UHFFFAOYSA-N", f"{REJECTED}an InChIKey is not read"),
        ("CHEMBL1201469", f"{REJECTED}a name of a database entry is not read"),
        ("InChI=1S/CH4/h1H4", f"{REJECTED}InChI is not read"),
        ("7.4", f"{REJECTED}a number is not read"),
        ("oxytocin", f"{REJECTED}a name in words is not read"),
        (DNA, "20 of the first 100 texts look like nucleotides"),
        (DNA.lower(), "20 of the first 100 texts look like nucleotides"),
        (RNA, "20 of the first 100 texts look like nucleotides"),
        (PROTEIN, "20 of the first 100 texts have more than 100 residues (their median: 352)"),
        (f"PEPTIDE1{{{'.'.join(PROTEIN)}}}$$$$", "20 of the first 100 texts have more than 100"),
    ],
)
def test_what_many_of_the_first_texts_are(text: str, said: str) -> None:
    (note,) = early_notes(mixed(text, 20), AUTO)
    assert note.startswith(said)
    assert early_notes(mixed(text, 9), AUTO) == []  # too few to matter
    assert early_notes(mixed(text, 90, of=1000), AUTO) == []  # too small a share


@pytest.mark.parametrize(
    "text",
    [
        "C1CCC1", "O1CCC1", "N1CCC1",  # as accessions, and rings
        "CCO ethanol", "CC |t:1|", "[Na+]", "CC(=O)N[C@@H](C)C(=O)O",
        "ACDEFGHIK", "NANNAN", "GAGAGAGAGAGA", "A-C-D-E", "Ac-Ala-Gly-NH2", "ACDE(pS)K",
        "A" * 100, "", "C" * 300, "\n\n\n  1  0\nM  END\n",
    ],
)  # fmt: skip
def test_nothing_is_said_about_texts_that_may_be_read(text: str) -> None:
    assert early_notes([text] * 100, AUTO) == []


def test_two_findings_are_two_notes_the_most_frequent_first() -> None:
    notes = early_notes([*[DNA] * 30, *[PROTEIN] * 50, *[ACCESSION] * 20], AUTO)
    assert [note.split()[0] for note in notes] == ["50", "30", "20"]


def test_long_texts_that_are_left_out_are_not_noted() -> None:
    assert early_notes([PROTEIN] * 100, FeaturizeOptions("adafrag", "auto", 800)) == []


def test_the_named_limit_leaves_out_a_long_text_and_keeps_a_peptide(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f"sequence\n{PROTEIN}\nACDEFGHIK\n", encoding="utf-8")
    (note,) = early_notes([PROTEIN] * 10, AUTO)
    limit = int(note.partition("--max-atoms ")[2].split()[0])
    report = build(
        path, tmp_path / "store", options_of({"max_atoms": limit, "input_format": "auto"})
    )
    assert (report.graphs, report.rejects) == (1, 1)


def test_residues_are_counted_by_letters_and_monomers() -> None:
    assert residues("ACDE", "auto") == 4
    assert residues("PEPTIDE1{A.[dA].[am]}|PEPTIDE2{G}$PEPTIDE1,PEPTIDE2,1:R1-1:R2$$$", "auto") == 4
    assert residues("PEPTIDE1{A.[CC(=O)NC.C].G}$$$$", "auto") == 3
    assert residues("CCO", "sequence") == 0
    assert residues("CCO", "auto") == residues("A-C-D", "auto") == 0


@pytest.mark.parametrize("rows_per_block", [7, 2000])
def test_no_row_is_lost_and_only_the_first_rows_count(tmp_path: Path, rows_per_block: int) -> None:
    path = tmp_path / "in.csv"
    texts = [ACCESSION] * FIRST_ROWS + [DNA] * 500
    path.write_text("smiles\n" + "".join(f"{t}\n\n" for t in texts), encoding="utf-8")
    blocks = read_blocks(path, rows_per_block, None, "auto", by_place=True)
    with pytest.warns(UserWarning, match="500 of the first 500 texts will be rejected"):
        notes, again = warn_early(blocks, AUTO)
    assert len(notes) == 1
    assert [text for block in again for text in block.parse().texts if text] == texts


def options(**more: object) -> BuildOptions:
    return options_of({"rows_per_shard": 10, "input_format": "auto"}, **more)


@pytest.mark.parametrize("name", ["in.csv", "in.fasta"])
def test_a_build_warns_once_and_its_bytes_do_not_change(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    head, line = ("sequence\n", "{}\n") if name == "in.csv" else ("", ">x\n{}\n")
    path.write_text(head + line.format(DNA) * 30, encoding="utf-8")
    with pytest.warns(UserWarning, match="look like nucleotides"):
        report = build(path, tmp_path / "store", options())
    assert len(report.early_notes) == 1
    assert report.graphs == 30
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build(path, tmp_path / "store", options()).early_notes == []  # nothing left to do
        monkeypatch.setattr("pepland_data.inputs.early_notes.FEWEST", 1000)
        build(path, tmp_path / "silent", options())
    assert files_of(tmp_path / "store") == files_of(tmp_path / "silent")


def test_the_command_shows_the_note_before_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "in.smi"
    path.write_text(f"{ACCESSION}\n" * 12 + f"{PEPTIDES[0]}\n" * 3, encoding="utf-8")
    shared = ["--workers", "1", "--json", "--max-reject-frac", "1", "--out"]
    done = cli_process("build", str(path), *shared, str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["rows"], told["graphs"], len(told["early_notes"])) == (15, 3, 1)
    said = done.stderr.decode()
    assert said.count("warning: 12 of the first 15 texts will be rejected: a protein") == 1
    assert said.index("12 of the first 15") < said.index("convert:")
    with pytest.warns(UserWarning, match="12 of the first 15 texts"):
        done_again = cli("build", "-", *shared, str(tmp_path / "piped"), stdin=path.read_bytes())
    assert json.loads(done_again.stdout)["rows"] == 15
