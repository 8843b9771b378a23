"""The page of an estimate and its pictures."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pepland_data.draw.figures import COLORS, INK, spread
from pepland_model.estimate.answer import Answer
from pepland_model.estimate.show.charts import MOST_LINES, pictures
from pepland_model.estimate.show.page import write_page
from tests.helpers.bare_checkout import HIDE
from tests.helpers.page_reader import Reader, check_alone
from tests.helpers.paths import ROOT

CARDS = {"small": 24, "big": 80, "huge": 141}
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>", "a|b", "$x^{2$", '"><b>', "_name", "--> & &lt;", "\x00\udc80"


def made(cards: dict[str, float]) -> dict[str, Any]:
    """Return a document whose figures follow from the memory of cards."""
    batches = (256, 512, 1024)
    steps = [
        {"card": card, "precision": precision, "batch": batch, "limit": "bandwidth",
         **({"peptides_per_s": 10.0 * gib * batch} if i == 0 else
            {"peptides_per_s": None, "peptides_per_s_low": 5.0 * gib * batch,
             "peptides_per_s_high": 20.0 * gib * batch})}
        for i, (card, gib) in enumerate(cards.items())
        for precision in ("fp32", "bf16")[: 1 + (i == 0)]
        for batch in batches
    ]  # fmt: skip
    memory = [
        {"kind": kind, "batch": batch, "fp32_gib": batch * part, "tf32_gib": batch * part,
         "bf16_gib": batch * part / 2, "fp16_gib": None}
        for kind, part in (("training", 0.01), ("inference", 0.001))
        for batch in batches
    ]  # fmt: skip
    scaling = [
        {"card": card, "gpus": gpus, "batch_per_card": 512, "speedup": gpus**0.9,
         "efficiency": gpus**-0.1} for card in cards for gpus in (1, 2, 4)
    ]  # fmt: skip
    answers = [
        Answer("cards", "The cards", [{"card": c, "memory_gib": m} for c, m in cards.items()]),
        Answer("memory_by_batch", "Memory by batch and precision", memory),
        Answer("step_time", "Time of a step", steps, ("Limit: what sets the time.",)),
        Answer("hours", "Hours", [{"card": c, "stage": stage, "hours": 100.5 / m}
                                  for c, m in cards.items() for stage in ("stage 1", "stage 2")]),
        Answer("scaling", "Several cards", scaling),
        Answer("cloud", "Cloud", [{"card": c, "money": 33.3 / m} for c, m in cards.items()]),
        Answer("quick", "In short", [{"question": "Does it fit?", "answer": "Yes."}]),
    ]  # fmt: skip
    about = {"store": "canonical", "graphs": 998, "mean_atoms": 121.7, "currency": "EUR"}
    return {"about": about, "answers": [asdict(answer) for answer in answers]}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return made(CARDS)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def drawn_lines(svg: str) -> set[str]:
    """Return the colours of lines; leaders to their names are thinner."""
    styles = [
        element.get("style", "") for element in ElementTree.fromstring(svg).iter(f"{SVG}path")
    ]
    lines = [style for style in styles if "fill: none" in style and "stroke-width: 1.6" in style]
    return {color for color in COLORS if any(f"stroke: {color}" in line for line in lines)}


def written(document: dict[str, Any], path: Path) -> str:
    write_page(document, path)
    return path.read_text(encoding="utf-8")


def test_four_pictures_have_each_series_by_name_and_as_a_line(document) -> None:
    memory, speed, cost, speedup = pictures(document)
    assert {"training, fp32/tf32", "training, bf16", "inference, fp32/tf32", "inference, bf16",
            "24 GiB: small", "80 GiB: big", "141 GiB: huge"} <= set(texts(memory.svg))  # fmt: skip
    assert set(CARDS) <= set(texts(speed.svg))
    assert {*CARDS, "stage 1", "stage 2", "money, EUR", "4.19", "1.39"} <= set(texts(cost.svg))
    assert {*CARDS, "ideal"} <= set(texts(speedup.svg))
    counts = [len(drawn_lines(picture.svg)) for picture in (memory, speed, speedup)]
    assert counts == [4, 3, 3]


def test_the_speed_has_the_precision_of_most_cards_and_says_what_is_calculated(document) -> None:
    speed = pictures(document)[1]
    assert "fp32" in speed.title
    assert "calculated" in speed.note
    dashed = set(re.findall("stroke-dasharray: 5[^;]*;[^;]*; stroke: (#[^;]*)", speed.svg))
    assert dashed == set(COLORS[1:3])


def test_pictures_are_xml_in_the_colour_of_the_text_around_them_and_without_a_date(
    document,
) -> None:
    for picture in pictures(document):
        root = ElementTree.fromstring(picture.svg)
        assert root.find(f"{SVG}title").text == picture.title
        assert "currentColor" in picture.svg
        for absent in (INK, "<style", "metadata", "dc:date", "#000000", "#ffffff"):
            assert absent not in picture.svg


def test_the_same_document_gives_the_same_bytes_in_another_process(document, tmp_path) -> None:
    first = written(document, tmp_path / "first.html")
    program = (
        "import json, sys; from pathlib import Path\n"
        "import matplotlib; matplotlib.rcParams.update({'font.size': 30, 'axes.grid': False})\n"
        "from pepland_model.estimate.show.page import write_page\n"
        "write_page(json.load(sys.stdin), Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "second.html")], cwd=ROOT,
                   input=json.dumps(document), text=True, check=True)  # fmt: skip
    assert (tmp_path / "second.html").read_text(encoding="utf-8") == first


def test_at_most_eight_lines_are_drawn_and_the_rest_is_mentioned() -> None:
    speed, speedup = pictures(made({f"card {i}": 10.0 + i for i in range(11)}))[1::2]
    assert len(drawn_lines(speed.svg)) == MOST_LINES
    assert "The first 8 of 11 lines." in speed.note
    assert "The first 7 of 11 lines." in speedup.note


def test_cards_with_several_batches_have_a_line_for_each() -> None:
    rows = [{"card": "big", "gpus": g, "batch_per_card": b, "speedup": 0.9 * g}
            for b in (512, 4096) for g in (1, 2)]  # fmt: skip
    (picture,) = pictures({"answers": [asdict(Answer("scaling", "Several cards", rows))]})
    assert {"big, batch 512", "big, batch 4,096"} <= set(texts(picture.svg))


def test_one_card_alone_has_no_speed_up_to_draw() -> None:
    rows = [{"card": "big", "gpus": 1, "batch_per_card": 512, "speedup": 1}]
    assert pictures({"answers": [asdict(Answer("scaling", "Several cards", rows))]}) == []


@pytest.mark.parametrize(
    "wanted", [[0.5], [0.5, 0.5, 0.5], [1.0, 0.99, 0.2, 0.98], [0.1, 0.9, 0.5], []]
)
def test_names_keep_their_order_and_do_not_cover_each_other(wanted: list[float]) -> None:
    heights = spread(wanted, 0.06)
    for (a, at_a), (b, at_b) in itertools.combinations(zip(wanted, heights, strict=True), 2):
        assert abs(at_a - at_b) >= 0.06 - 1e-9
        assert a == b or (a < b) == (at_a < at_b)
    assert max(heights, default=0) <= 1


def test_the_page_has_the_quick_table_then_pictures_then_every_answer(document, tmp_path) -> None:
    page = written(document, tmp_path / "new" / "page.html")
    reader = Reader(page)
    assert reader.tags.count("svg") == 4
    assert reader.tags.count("table") == len(document["answers"])
    assert len(set(reader.ids)) == len(reader.ids)
    places = [page.index(text) for text in ("mean atoms", "Does it fit?", "<svg", 'id="cards"')]
    assert places == sorted(places)
    assert '<td class="n">141</td>' in page
    assert "Limit: what sets the time." in page
    assert re.search("<th[^>]*>money, EUR</th>", page)


def test_the_page_needs_no_network(document, tmp_path) -> None:
    page = written(document, tmp_path / "page.html")
    check_alone(page)


def test_hostile_texts_stay_texts(tmp_path) -> None:
    document = made(dict(zip(HOSTILE, itertools.count(16, 16), strict=False)))
    document["about"]["<i>key</i>"] = '<img src="x">'
    for answer in document["answers"]:
        answer["title"], answer["notes"] = "</svg><script>", list(HOSTILE)
    page = written(document, tmp_path / "page.html")
    assert not {"script", "i", "img"} & set(Reader(page).tags)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    names = {"-", *HOSTILE[:-1]}
    assert all(names <= set(texts(picture.svg)) for picture in pictures(document)[1:])


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -1.0, 0, "unknown", True])
def test_values_that_are_no_lengths_are_not_drawn(document, value, tmp_path) -> None:
    gone = {**document, "answers": [
        {**answer, "rows": [dict.fromkeys(row, value) for row in answer["rows"]]}
        for answer in document["answers"]
    ]}  # fmt: skip
    assert pictures(gone) == []
    assert Reader(written(gone, tmp_path / "page.html")).tags.count("table") == 7


@pytest.mark.parametrize("name", ["cards", "memory_by_batch", "step_time", "hours", "cloud",
                                  "scaling", "quick"])  # fmt: skip
def test_a_missing_or_empty_answer_is_left_out(document, name, tmp_path) -> None:
    rest = [answer for answer in document["answers"] if answer["name"] != name]
    without = written({**document, "answers": rest}, tmp_path / "without.html")
    empty = [*rest, asdict(Answer(name, "Nothing", []))]
    assert written({**document, "answers": empty}, tmp_path / "empty.html") == without
    drawn = {"cards": 4, "hours": 4, "cloud": 4, "quick": 4}
    assert Reader(without).tags.count("svg") == drawn.get(name, 3)


def test_an_empty_document_is_a_page(tmp_path) -> None:
    assert "What a run costs" in written({"about": {}, "answers": []}, tmp_path / "page.html")


def test_pictures_without_matplotlib_say_how_to_install_it() -> None:
    program = (
        f"{HIDE}\n"
        "from pepland_data.errors import MissingDependencyError\n"
        "from pepland_model.estimate.show.charts import pictures\n"
        "try:\n    pictures({})\nexcept MissingDependencyError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "pip install 'pepland-data[report]'" in done.stdout, done.stderr
