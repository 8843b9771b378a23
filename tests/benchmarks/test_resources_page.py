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


def table_rows(text: str) -> list[list[str]]:
    """Return the cells of all lines of tables; the labels of `CHINESE` in English."""
    return [line.strip().strip("|").split("|") for line in text.splitlines() if line.strip()[:1] == "|"]


@pytest.mark.parametrize("name", PAGES)
def test_the_command_writes_the_page_that_is_there(written, name) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == written[name]


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_a_table_has_as_many_cells_as_its_bars(written, name) -> None:
    rows = table_rows(written[name])
    for i, row in enumerate(rows):
        if set("".join(row)) <= set(" -:"):
            width = len(row)
            assert len(rows[i - 1]) == width
        elif i and not set("".join(rows[min(i + 1, len(rows) - 1)])) <= set(" -:"):
            assert len(row) == width, row


@pytest.mark.parametrize("name", PAGES)
def test_no_figure_has_more_digits_than_one_reads(written, name) -> None:
    assert not re.findall(r"\d+\.\d{4,}|\d{8,}", re.sub(r"0\.0+", "0.", written[name]))


def test_both_languages_have_the_same_figures(written) -> None:
    one, other = (
        [sorted(re.findall(r"\d[\d,.]*\d|\d", "|".join(row))) for row in table_rows(text)]
        for text in written.values()
    )
    assert one == other


def test_the_page_answers_24_questions_with_names_of_answers(written) -> None:
    part = written["resources.md"].split("## The 24 questions")[1].split("## ")[0]
    rows = table_rows(part)[2:]
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
    found = {
        "h100_times": {"rows": [step | {"predicted_ms": 3.0, "measured_ms": 2.0}]},
        "cpu": [{"a": {"predicted_gib": 9, "measured_gib": 10}}, {"predicted_gib": 1}],
        "why": "a text",
    }
    assert summary(found).rows == [
        ["h100_times", "ms", "1", "50.0%", "50.0%"],
        ["cpu", "gib", "1", "10.0%", "10.0%"],
    ]
    assert times(found).rows == [["training", "once", "64", "3 / 2", "-", "-"]]


def test_a_table_has_its_numbers_to_the_right() -> None:
    table = Table(["card", "hours, 512".replace("hours", "minutes")], [["H200", "1.5"]])
    assert markdown(table) == "| card | minutes, 512 |\n| --- | --: |\n| H200 | 1.5 |"
    assert markdown(table, chinese=True).splitlines()[0] == "| 显卡 | 分钟，512 |"


def test_stores_of_a_corpus_are_named(written) -> None:
    assert named_stores("mixed=a,b/c") == ("mixed", ["a", "b/c"])
    with pytest.raises(InputError, match="NAME=STORE"):
        named_stores("a,b")


def test_a_corpus_without_stores_stops_the_command() -> None:
    result = CliRunner().invoke(main, ["--measure", "canonical"])
    assert isinstance(result.exception, InputError)
