"""A graph in a notebook: its picture and its counts, whatever its text is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.html_parts import curve, short, table
from tests.helpers.page_reader import picture_count, shown
from tests.helpers.pretrain_data import golden_graphs

HOSTILE = "<script>alert('x')</script>&\"\x0b"


@pytest.fixture
def graph() -> HeteroGraph:
    return golden_graphs()[0]


def test_a_graph_shows_its_counts(graph: HeteroGraph) -> None:
    words = shown(graph)
    assert words.startswith("HeteroGraph of ")
    for group in ("atom", "fragment", "bond", "reaction"):
        count = len(getattr(graph.columns, f"{group}_code"))
        assert f"{group}s {count:,} " in words
        assert f"{group}_code [{count}] {graph.columns.atom_code.dtype}" in words


def test_a_graph_shows_its_picture_whatever_cut_and_notation_it_is_from() -> None:
    pytest.importorskip("rdkit")
    from pepland_data import FeaturizeOptions, Featurizer

    for cut in ("adafrag", "amiibo"):
        for text, notation in (("ACDK", "sequence"), ("CCC", "smiles"), ("CCC", "sequence")):
            made = Featurizer(FeaturizeOptions(cut, notation)).featurize(text)
            assert picture_count(made) == 1, (cut, text, notation)


def test_a_picture_is_of_the_graph_and_can_be_a_file() -> None:
    pytest.importorskip("rdkit")
    from pepland_data import InputError, featurize, graph_svg

    picture = ElementTree.fromstring(graph_svg(featurize("NCC(=O)NCC(=O)O")))
    assert int(picture.get("width", "")) > 0
    assert picture.get("viewBox") == f"0 0 {picture.get('width')} {picture.get('height')}"
    with pytest.raises(InputError, match="draw it with"):
        graph_svg(replace(featurize("NCC(=O)O"), smiles="CC"))


def test_a_text_that_is_not_that_of_the_graph_is_escaped_and_not_drawn(graph: HeteroGraph) -> None:
    other = replace(graph, smiles=HOSTILE)
    assert "<script>alert('x')</script>&" in shown(other)
    assert "<script>" not in other._repr_html_()
    assert picture_count(other) == 0


def test_a_graph_without_text_and_a_damaged_one_are_shown(graph: HeteroGraph) -> None:
    assert shown(replace(graph, smiles="")).startswith("HeteroGraph without text")
    broken: Any = replace(graph, columns=None)  # type: ignore[arg-type]
    assert shown(broken).startswith("HeteroGraph cannot be shown: ")


def test_a_long_text_and_numbers_are_short() -> None:
    assert short("C" * 500) == "C" * 79 + "…"
    assert [short(x) for x in (1234567, 0.123456, True)] == ["1,234,567", "0.1235", "True"]
    assert table(("a",), []) == ""


def test_a_curve_has_a_point_for_each_value_and_none_for_one_value() -> None:
    line = ElementTree.fromstring(curve("loss <", [(0, 3.0), (10, 1.0), (20, 2.0)]))
    (points,) = (e.get("points", "") for e in line.iter() if e.tag.endswith("polyline"))
    assert points == "0.0,0.0 110.0,60.0 220.0,30.0"
    assert "loss <: 3 → 2" in "".join(line.itertext())
    assert curve("loss", [(0, 3.0)]) == ""
    assert "NaN" not in curve("constant", [(0, 1.0), (0, 1.0)])
