"""The page of a report, and the command that makes it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from pepland_data import BuildOptions, FeaturizeOptions, Vocabulary, build, open_store
from pepland_data.builder.convert_format import convert
from pepland_data.draw.page import percent
from pepland_data.errors import InputError
from pepland_data.report import numbers
from pepland_data.report.charts import LABEL, short_names
from pepland_data.report.counting import columns, leakage
from pepland_data.report.numbers import build_options, corpus_numbers
from pepland_data.report.page import write_page
from tests.helpers.bare_checkout import HIDE
from tests.helpers.commands import cli
from tests.helpers.page_reader import Reader, check_alone
from tests.helpers.paths import ROOT
from tests.report.conftest import PEPTIDES, write_peptides

SECTIONS = ["overview", "sizes", "residues", "fragments", "splits", "labels", "rejects", "notes",
            "gallery"]  # fmt: skip


def written(path, *stores, **given) -> str:
    write_page(corpus_numbers(*stores, **given), path, build_options(stores[0]))
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(peptides, tmp_path_factory) -> str:
    return written(tmp_path_factory.mktemp("page") / "new" / "page.html", peptides)


def test_the_page_has_every_section_once_and_in_order(page) -> None:
    reader = Reader(page)
    assert [name for name in reader.ids if name in SECTIONS] == SECTIONS
    assert len(set(reader.ids)) == len(reader.ids)
    assert re.findall(r'href="#(\w+)"', page.split("</nav>")[0]) == SECTIONS


def test_the_page_draws_charts_fragments_and_peptides(page, peptides) -> None:
    fragments = len({f for graph in peptides for f in graph.dense()["fragment_smiles"]})
    charts = 3 + 1 + 1 + 1 + 2  # sizes, residues, coverage, a split, two labels
    assert Reader(page).tags.count("svg") == charts + min(fragments, 24) + len(PEPTIDES)


def test_the_page_needs_no_network(page) -> None:
    check_alone(page)


def test_the_page_says_what_leaks_and_what_was_rejected(page) -> None:
    assert re.search(r"<td>test</td><td[^>]*>4</td><td[^>]*>[\d.]+</td><td[^>]*>2 \(50\s%\)", page)
    assert "not-a-peptide!" in page
    assert "1 of 9 rows have no graph" in page


def test_the_same_store_gives_the_same_page(page, peptides, tmp_path) -> None:
    assert written(tmp_path / "again.html", peptides) == page


def test_the_page_says_where_only_a_sample_was_counted(
    peptides, page, monkeypatch, tmp_path
) -> None:
    assert "lower bounds" not in page
    assert "a sample" not in page.split("<h2>Sizes")[0]
    monkeypatch.setattr(numbers, "SHAPES", 5)
    monkeypatch.setattr(numbers, "RESIDUES", 3)
    monkeypatch.setattr(leakage, "TRAINING", 2)
    monkeypatch.setattr(leakage, "SEARCHED", 3)
    monkeypatch.setattr(columns, "SAMPLED", 6)
    sampled = written(tmp_path / "page.html", peptides)
    assert "from the graphs of a sample of 5 peptides" in sampled
    assert "from the HELM of 3 of 3 peptides, a sample" in sampled
    assert "the nearest of 2 peptides of train, a sample, so they are lower bounds" in sampled
    assert "looked for in 3 of its peptides" in sampled
    assert "6 peptides, a sample" in sampled


def test_notes_are_shown_by_kind(tmp_path) -> None:
    (tmp_path / "in.smi").write_text("CC(=O)[O-].[Na+]\nNCC(=O)[O-].[Na+]\nNCC(=O)O\n")
    options = BuildOptions(FeaturizeOptions(standardize=True))
    build(tmp_path / "in.smi", tmp_path / "store", options)
    page = written(tmp_path / "page.html", open_store(tmp_path / "store"))
    assert "There are no notes." not in page
    notes = page.split("<h2>Notes</h2>")[1].split("</section>")[0]
    assert "<td>changed</td>" in notes
    assert "CC(=O)[O-].[Na+]" in notes


def test_names_beside_bars_are_short_and_differ() -> None:
    names = ["A", "x" * 40 + "1", "x" * 40 + "2", "y", "x" * 40 + "3"]
    short = short_names(names)
    assert len(set(short)) == len(names)
    assert max(map(len, short)) <= LABEL + 4
    assert (short[0], short[3]) == ("A", "y")


def test_a_second_store_adds_the_drift_and_its_lines(peptides, small_store, tmp_path) -> None:
    page = written(tmp_path / "page.html", peptides, small_store)
    assert 'id="drift"' in page
    assert "Fragments whose shares differ most" in page
    assert page.count("store (2)") > 10  # both folders are called store


def test_fragments_beyond_a_vocabulary_are_drawn(peptides, tmp_path) -> None:
    whole = written(tmp_path / "whole.html", peptides)
    page = written(tmp_path / "page.html", peptides, vocabulary=Vocabulary(("NC=O", "C")))
    assert "All fragments are in the vocabulary." in whole
    assert "unknown to the vocabulary" in page
    assert Reader(page).tags.count("svg") > Reader(whole).tags.count("svg")


def test_an_empty_store_is_a_page_that_says_so(empty, tmp_path) -> None:
    page = written(tmp_path / "page.html", empty)
    assert [name for name in Reader(page).ids if name in SECTIONS] == SECTIONS
    assert "There are no peptides." in page
    assert "No split is recorded" in page
    assert Reader(page).tags.count("svg") == 0


def test_an_empty_store_beside_another_one(empty, peptides, tmp_path) -> None:
    for stores in ((empty, peptides), (peptides, empty)):
        assert 'id="drift"' in written(tmp_path / "page.html", *stores)


def test_texts_without_columns_and_splits(tmp_path) -> None:
    (tmp_path / "in.smi").write_text("NCC(=O)NCC(=O)O\nCCO\n")
    build(tmp_path / "in.smi", tmp_path / "store")
    page = written(tmp_path / "page.html", open_store(tmp_path / "store"))
    assert "No column holds numbers or a few classes." in page
    assert "Peptides without HELM" in page


def test_hostile_texts_stay_texts(tmp_path) -> None:
    rows = [("ACDK", 1.0, "<script>alert(1)</script>", "$x^{2$"), ("ACDE", 2.0, "a|b", "<i>")]
    source = write_peptides(tmp_path / "in.csv", [*rows, ("<b>ACD</b>", 0, "x", "y")])
    options = BuildOptions(FeaturizeOptions(input_format="auto"), smiles_column="peptide")
    build(source, tmp_path / "<u>store", options)
    page = written(tmp_path / "page.html", open_store(tmp_path / "<u>store"))
    assert not {"script", "i", "u"} & set(Reader(page).tags)
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;b&gt;ACD&lt;/b&gt;" in page


def test_both_kinds_of_stores_and_the_column_helm_have_the_same_numbers(peptides, tmp_path) -> None:
    plain = corpus_numbers(peptides)["stores"][0]
    convert(peptides.path, tmp_path / "zarr", "zarr")
    archived = corpus_numbers(open_store(tmp_path / "zarr"))["stores"][0]
    options = FeaturizeOptions(input_format="auto", add=("helm",))
    source = write_peptides(tmp_path / "in.csv")
    build(source, tmp_path / "helm", BuildOptions(options, smiles_column="peptide"))
    added = corpus_numbers(open_store(tmp_path / "helm"))["stores"][0]
    other = {"path", "kind", "bytes"}
    assert {k: v for k, v in archived.items() if k not in other} == {
        k: v for k, v in plain.items() if k not in other
    }
    assert {**added["residues"], "source": ""} == {**plain["residues"], "source": ""}


def test_a_store_of_other_monomers_is_refused(peptides) -> None:
    from pepland_data.chem.monomers.given import GivenMonomers, packed

    other = GivenMonomers((("m.csv", "00"),), packed([], frozenset()))
    with pytest.raises(InputError, match="leave out --monomers"):
        corpus_numbers(peptides, monomers=other)


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "-"), (0, "0 %"), (0.0001, "< 0.1 %"), (0.1234, "12.3 %"), (0.9999, "> 99.9 %"),
     (1, "100 %")],
)  # fmt: skip
def test_a_share_is_all_or_nothing_only_if_it_is(share, text) -> None:
    assert percent(share).replace("\u00a0", " ") == text


def test_the_command_writes_the_page_and_prints_the_numbers(peptides, tmp_path) -> None:
    out = tmp_path / "corpus.html"
    done = cli("report", str(peptides.path), "-o", str(out), "--json")
    printed = json.loads(done.stdout)
    assert printed.pop("out") == str(out)
    assert printed == json.loads(json.dumps(corpus_numbers(peptides)))
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_command_without_a_page_says_what_it_found(peptides, small_store) -> None:
    done = cli("report", str(peptides.path), str(small_store.path))
    text = done.stdout.decode()
    assert "8 peptides, 1 rows rejected" in text
    assert "2 of 4 peptides of test nearly in train" in text
    assert "drift:" in text


@pytest.mark.parametrize("wrong", ["missing store", "missing second", "bad vocabulary"])
def test_wrong_input_is_one_sentence(wrong, peptides, tmp_path) -> None:
    store, absent = str(peptides.path), str(tmp_path / "absent")
    arguments = {
        "missing store": [absent],
        "missing second": [store, absent],
        "bad vocabulary": [store, "--vocab", absent],
    }[wrong]
    done = cli("report", *arguments)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("error: ")
    assert done.stderr.count(b"\n") == 1


def test_missing_packages_are_named_before_anything_is_counted() -> None:
    program = (
        f"{HIDE}\n"
        "from pepland_data.report.page import check_packages\n"
        "try:\n    check_packages()\nexcept ImportError as error:\n    print(error)\n"
        "from pepland_data.report.numbers import corpus_numbers\n"
        "try:\n    corpus_numbers(None)\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "pages need matplotlib; install 'pepland-data[report]'" in done.stdout, done.stderr
    assert "the report needs RDKit and scipy" in done.stdout
