"""Charts for pages: colours that all readers tell apart, and curves."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree

import numpy as np
import pytest

from pepland_data.draw.figures import (
    COLORS,
    DASHES,
    INK,
    WIDE,
    Line,
    as_picture,
    figure_of_curves,
    figure_of_dots,
    style,
)

SVG = "{http://www.w3.org/2000/svg}"
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip
"""What is seen of linear RGB: Machado, Oliveira and Fernandes 2009, severity 1."""
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
       [0.0193339, 0.1191920, 0.9503041]]  # fmt: skip
"""Linear sRGB to XYZ, white D65."""


def linear(color: str) -> np.ndarray:
    shares = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def lab(color: str, sight: str) -> np.ndarray:
    seen = np.clip(np.array(SIGHT[sight]) @ linear(color), 0, 1)
    x, y, z = np.cbrt(np.array(XYZ) @ seen / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(a: str, b: str) -> float:
    low, high = sorted(float(np.array(XYZ)[1] @ linear(color)) + 0.05 for color in (a, b))
    return high / low


@pytest.mark.parametrize("paper", ["#ffffff", "#14191f"])
def test_each_colour_stands_out_on_light_and_dark_pages(paper) -> None:
    assert min(contrast(color, paper) for color in COLORS) >= 3


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(("first", "least"), [(4, 37), (8, 17)])
def test_colours_differ_without_red_or_green(sight, first, least) -> None:
    seen = [lab(color, sight) for color in COLORS[:first]]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > least


def curves(*lines: Line, log: bool = False):
    with style():
        return figure_of_curves({"": lines}, "step", log=log)


def test_lines_differ_in_dash_and_have_a_legend_only_where_there_are_several() -> None:
    many = {float(i): float(i + 1) for i in range(100)}
    (axes,) = curves(*(Line(f"seed {i}", many) for i in range(len(DASHES)))).axes
    kinds = {(line.get_linestyle(), line._dash_pattern[1] and tuple(line._dash_pattern[1]))
             for line in axes.lines}  # fmt: skip
    assert len(kinds) == len(DASHES)
    assert len(axes.get_legend().get_texts()) == len(DASHES)
    assert curves(Line("alone", many)).axes[0].get_legend() is None


def test_a_single_point_has_a_mark_and_a_reference_is_dashed() -> None:
    (axes,) = curves(Line("training", {5: 0.1}), Line("base", {0: 2.0}, is_reference=True)).axes
    point, reference = axes.lines
    assert point.get_marker() != ""
    assert (reference.get_linestyle(), reference.get_color()) == ("--", INK)


@pytest.mark.parametrize(
    ("least", "scale"), [(1.0, "log"), (0.0, "linear"), (-1.0, "linear"), (WIDE, "linear")]
)
def test_an_axis_is_logarithmic_where_positive_values_are_far_apart(least, scale) -> None:
    lines = Line("a", {1: least, 2: 2 * WIDE})
    assert curves(lines, log=True).axes[0].get_yscale() == scale
    assert curves(lines).axes[0].get_yscale() == "linear"


def test_panels_stand_side_by_side() -> None:
    with style():
        figure = figure_of_curves({name: [Line(name, {1: 1.0})] for name in "abc"}, "step")
    places = [axes.get_position() for axes in figure.axes]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(places))
    assert places[-1].x1 <= 1


def test_dots_are_xml_in_the_colour_of_the_text_around_them() -> None:
    with style():
        picture = as_picture(figure_of_dots([1.0, 2.0], [1.5, 2.5], ("m", "p")), "<title>")
    root = ElementTree.fromstring(picture.svg)
    assert root.find(f"{SVG}title").text == "<title>"
    assert {"m", "p"} <= {element.text for element in root.iter(f"{SVG}text")}
    assert "currentColor" in picture.svg
    assert INK not in picture.svg
