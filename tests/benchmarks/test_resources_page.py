"""The pages of resources hold the figures of the result files, in both languages."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from benchmarks.resources.checks import summary, times
from benchmarks.resources.documents import CORPORA, Estimated, data
from benchmarks.resources.facts import facts
from benchmarks.resources.measure import named_stores
from benchmarks.resources.pages import PAGES, pages
from benchmarks.resources.tables import Table, tables
from benchmarks.resources.words import CHINESE, markdown
from benchmarks.resources_page import DOCS, main
from pepland_data.errors import InputError


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages()


def drawn(text: str) -> list[list[list[str]]]:
    """Return the tables of a page: tables of rows of cells."""
    found = re.findall(r"(?:^ *\|.*\n)+", text, flags=re.MULTILINE)
    return [[line.strip()[1:-1].split("|") for line in table.splitlines()] for table in found]


@pytest.mark.parametrize("name", PAGES)
def test_the_command_writes_the_page_that_is_there(written, name) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == written[name]


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_a_table_has_as_many_cells(written, name) -> None:
    assert len(drawn(written[name])) > 12
    for table in drawn(written[name]):
        assert len({len(row) for row in table}) == 1, table[0]


@pytest.mark.parametrize("name", PAGES)
def test_no_figure_has_more_digits_than_one_reads(written, name) -> None:
    assert not re.findall(r"\d+\.\d{4,}|\d{8,}", re.sub(r"0\.0+", "0.", written[name]))


def figures(row: list[str]) -> list[str]:
    """Return the figures of a row, in order of their size; "stage 1" is a word."""
    return sorted(re.findall(r"\d[\d,.]*\d|\d", re.sub(r"stage \d", "", "|".join(row))))


def test_both_languages_have_the_same_figures(written) -> None:
    one, other = (
        [figures(row) for table in drawn(text) for row in table] for text in written.values()
    )
    assert one == other


def test_the_page_answers_24_questions_with_names_of_answers(written) -> None:
    rows = drawn(written["resources.md"])[1][2:]
    assert len(rows) == 24
    once = Estimated.read(CORPORA[0]).results["once"]
    known = {answer["name"] for answer in once["answers"]}
    named = set(re.findall(r"`(\w+)`", "".join(row[-1] for row in rows))) - {"limit"}
    assert named
    assert named <= known


@pytest.mark.parametrize("chinese", [False, True])
def test_every_head_has_its_words(chinese) -> None:
    for table in tables([Estimated.read(name) for name in CORPORA]).values():
        head = markdown(table, chinese).splitlines()[0]
        assert head.count("|") == len(table.head) + 1
        assert chinese == any(word in head for word in CHINESE.values() if not word.isascii())


def test_published_prices_contradict_the_published_number_of_runs() -> None:
    found = facts(Estimated.read(CORPORA[0]))
    assert (found["own_runs"], found["own_steps"]) == ("500", "98")
    assert data("published")["runs_to_pay_off"] == 300


def test_rows_with_a_prediction_and_a_measurement_are_found_at_any_depth() -> None:
    step = {"kind": "training", "states": "once", "precision": "bf16", "batch": 64}
    fitted = step | {"fitted": True, "batch": 2048, "predicted_ms": 5.0, "measured_ms": 1.0}
    found = {
        "h100_times": {"rows": [step | {"predicted_ms": 3.0, "measured_ms": 2.0}, fitted]},
        "h100_every_row": {
            "rows": [step | {"states": "every row"} | {"predicted_ms": 4.0, "measured_ms": 4.0}]
        },
        "cpu": [{"a": {"predicted_gib": 9, "measured_gib": 10}}, {"predicted_gib": 1}],
        "why": "a text",
    }
    assert summary(found).rows == [
        ["h100_times", "ms", "1", "50.0%", "50.0%"],
        ["h100_every_row", "ms", "1", "0.0%", "0.0%"],
        ["cpu", "gib", "1", "10.0%", "10.0%"],
    ]
    assert times(found).rows == [
        ["training", "once", "2,048", "5 / 1", "-", "-"],
        ["training", "once", "64", "3 / 2", "-", "-"],
        ["training", "every row", "64", "4 / 4", "-", "-"],
    ]


def test_a_table_has_its_numbers_to_the_right() -> None:
    table = Table(["card", "minutes, 512"], [["H200", "1.5"]])
    assert markdown(table) == "| card | minutes, 512 |\n| --- | --: |\n| H200 | 1.5 |"
    assert markdown(table, chinese=True).splitlines()[0] == "| 显卡 | 分钟，512 |"


def test_stores_of_a_corpus_are_named() -> None:
    assert named_stores("mixed=a,b/c") == ("mixed", ["a", "b/c"])
    with pytest.raises(InputError, match="NAME=STORE"):
        named_stores("a,b")


def test_a_corpus_without_stores_stops_the_command() -> None:
    result = CliRunner().invoke(main, ["--measure", "canonical"])
    assert isinstance(result.exception, InputError)
