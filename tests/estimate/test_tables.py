"""Headings, cells, and the tables of answers for a terminal and in Markdown."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import pytest

from pepland_model.estimate.answer import Answer
from pepland_model.estimate.show.tables import TEXT_WIDTH, as_markdown, as_text, cell, heading

CARDS = Answer(
    "cards",
    "The cards",
    [
        {"card": "small", "memory_gib": 24, "bandwidth_gb_per_s": 1008.4, "peer_to_peer": False},
        {"card": "a|b", "memory_gib": 141, "bandwidth_gb_per_s": None, "peer_to_peer": True},
    ],
    ("Figures of the makers. " * 8, "A note with <script> and a | bar."),
)


def document(*answers: Answer, **about: Any) -> dict[str, Any]:
    return {"about": about, "answers": [asdict(answer) for answer in answers]}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("memory_gib", "memory, GiB"),
        ("gib", "GiB"),
        ("total_mib", "total, MiB"),
        ("bandwidth_gb_per_s", "bandwidth, GB/s"),
        ("pcie_gb_per_s", "PCIe, GB/s"),
        ("fp32_tflops", "fp32, TFLOP/s"),
        ("power_w", "power, W"),
        ("kwh", "kWh"),
        ("step_ms", "step, ms"),
        ("all_reduce_ms", "all reduce, ms"),
        ("peptides_per_s", "peptides per second"),
        ("peptides_per_s_low", "peptides per second, low"),
        ("bytes_per_step", "bytes per step"),
        ("gpus", "GPUs"),
        ("price_per_hour", "price per hour"),
        ("for_whom", "for whom"),
        ("steps", "steps"),
        ("", ""),
    ],
)
def test_a_key_is_a_heading_with_its_unit(key: str, words: str) -> None:
    assert heading(key) == words


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("money", "money, CNY"),
        ("price_per_hour", "price per hour, CNY"),
        ("samples_per_money", "samples per CNY"),
        ("hours", "hours"),
    ],
)
def test_money_has_the_currency_as_its_unit(key: str, words: str) -> None:
    assert heading(key, "CNY") == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        ("", "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (6_470_251, "6,470,251"),
        (28_123.4, "28,120"),
        (999.7, "1,000"),
        (999.4, "999"),
        (-1234.5, "-1,234"),
        (7.0, "7"),
        (0.012345, "0.0123"),
        (2.2, "2.2"),
        ("two\n lines\x1b[2J\0", "two lines [2J"),
        ("lone \udc80 surrogate", "lone surrogate"),
        ([24, None, "x"], "24, -, x"),
        ({"memory_gib": 24, "efficiency": 0.5}, "memory, GiB: 24; efficiency: 50%"),
    ],
)
def test_a_value_is_a_short_text_on_one_line(value: object, text: str) -> None:
    assert cell(value) == text


def test_a_share_is_shown_in_percent() -> None:
    assert cell(0.934, "efficiency") == "93%"
    assert cell(1, "waiting_share") == "100%"
    assert cell("unknown", "efficiency") == "unknown"


def test_columns_of_a_terminal_are_aligned_and_notes_are_wrapped() -> None:
    text = as_text(document(CARDS, store="canonical"))
    lines = text.splitlines()
    assert "store: canonical" in lines
    rule = next(line for line in lines if set(line) == {"-", " "})
    first = lines.index(rule) + 1
    assert lines[first].split() == ["small", "24", "1,008", "no"]
    assert lines[first + 1].split() == ["a|b", "141", "-", "yes"]
    ends = [match.end() for match in re.finditer("-+", rule)]
    assert [lines[first].index(word) + len(word) for word in ("24", "1,008")] == ends[1:3]
    assert max(map(len, lines)) <= TEXT_WIDTH
    assert " ".join(text.split()).count("Figures of the makers.") == 8


def test_a_long_cell_is_folded_in_its_column() -> None:
    answer = Answer("quick", "In short", [{"question": "word " * 40, "answer": "no"}])
    lines = as_text(document(answer)).splitlines()
    assert max(map(len, lines)) < 60
    assert sum(line.count("word") for line in lines) == 40


def test_the_currency_of_a_document_is_in_its_headings() -> None:
    cloud = Answer("cloud", "Cloud", [{"card": "small", "money": 1.5}])
    assert "money, EUR" in " ".join(as_text(document(cloud, currency="EUR")).split())
    assert "| money, EUR |" in as_markdown(cloud, "EUR")


def test_an_answer_without_rows_and_an_empty_document_are_texts() -> None:
    assert "no figures" in as_text(document(Answer("cards", "The cards", [])))
    assert as_text({}).startswith("What a run costs\n")
    assert as_markdown(Answer("cards", "The cards", [], ("A note.",))).endswith("- A note.\n")


def test_rows_with_different_keys_have_gaps() -> None:
    answer = Answer("x", "X", [{"a": 1}, {"b": 2}])
    assert as_markdown(answer).splitlines()[2:] == [
        "| a | b |", "| --: | --: |", "| 1 | - |", "| - | 2 |"
    ]  # fmt: skip


def test_markdown_has_a_caption_a_table_and_notes() -> None:
    lines = as_markdown(CARDS).splitlines()
    assert lines[0] == "**The cards**"
    assert lines[2] == "| card | memory, GiB | bandwidth, GB/s | peer to peer |"
    assert lines[3] == "| --- | --: | --: | --- |"
    assert lines[4] == "| small | 24 | 1,008 | no |"
    assert [line[:2] for line in lines[-2:]] == ["- ", "- "]


def test_no_text_becomes_a_column_a_tag_or_a_link_in_markdown() -> None:
    text = as_markdown(Answer("x", "<b>X", [{"card": "a|b\\|c\n| d"}], ("[go](x) <script>",)))
    columns = re.findall(r"(?<!\\)(?:\\\\)*\|", text.splitlines()[4])
    assert len(columns) == 2
    assert not re.search(r"(?<!\\)[<\[]", text)
