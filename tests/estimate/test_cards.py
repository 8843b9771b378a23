"""The table of cards, and cards of users."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import pytest

from pepland_data.errors import InputError
from pepland_model.estimate.cards import (
    NOT_CONFIRMED,
    PRECISIONS,
    card,
    cards,
    cards_answer,
    read_card,
)

NAMES = [
    "rtx-3090", "rtx-4090", "rtx-5090", "a100-40", "a100-80", "h100-pcie", "h100-sxm", "h200",
    "l40s",
]  # fmt: skip
OWN = """
[my-card]
title = "Mine"
memory_gib = 47.5
bandwidth_gb_per_s = [900, "a page, 2026-01-02"]
tflops = { fp32 = 80, tf32 = 160, bf16 = 320, fp16 = 320 }
power_w = 300
pcie_gb_per_s = 32
nvlink_gb_per_s = 0
nvlink_cards = 0
peer_to_peer = true
"""


def write(tmp_path, text: str):
    path = tmp_path / "card.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_table_has_the_cards_in_the_order_of_its_file() -> None:
    assert list(cards()) == NAMES
    assert [one.name for one in cards().values()] == NAMES


def test_each_figure_of_the_table_has_a_source_with_a_date() -> None:
    text = files("pepland_model.estimate").joinpath("cards.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    sources = document["sources"]
    used = set()
    for name in NAMES:
        figures = dict(document[name])
        figures.pop("title")
        figures |= {f"tflops.{p}": figure for p, figure in figures.pop("tflops").items()}
        used |= {source for _, source in figures.values()}
        assert set(card(name).sources) == set(figures)
    assert used == set(sources)
    for source in sources.values():
        assert source.startswith(NOT_CONFIRMED) or re.search(r"\b20\d\d\b", source)
    assert document["date"].isoformat() >= "2026-11-26"


def test_figures_of_a_card_are_those_of_its_data_sheet() -> None:
    h100 = card("h100-sxm")
    assert (h100.memory_gib, h100.bandwidth_gb_per_s, h100.power_w) == (79.6, 3350, 700)
    assert h100.tflops == {"fp32": 66.9, "tf32": 494.7, "bf16": 989.4, "fp16": 989.4}
    assert (h100.pcie_gb_per_s, h100.nvlink_gb_per_s, h100.nvlink_cards) == (64, 900, 8)


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_in_their_units(name) -> None:
    """A figure in MB, TB/s, kW or with sparsity would leave these bounds."""
    one = card(name)
    assert 20 < one.memory_gib < 150
    assert 800 < one.bandwidth_gb_per_s < 5000
    assert 300 <= one.power_w <= 700
    assert one.pcie_gb_per_s in (32, 64)
    assert list(one.tflops) == list(PRECISIONS)
    assert one.tflops["fp32"] <= one.tflops["tf32"] < one.tflops["bf16"] == one.tflops["fp16"]
    assert one.tflops["bf16"] == pytest.approx(2 * one.tflops["tf32"], rel=0.02)


def test_cards_of_games_have_no_peer_to_peer_and_bridges_join_two_cards() -> None:
    assert not card("rtx-4090").peer_to_peer
    assert not card("rtx-5090").peer_to_peer
    assert (card("rtx-4090").nvlink_cards, card("rtx-4090").nvlink_gb_per_s) == (0, 0)
    assert card("h100-pcie").nvlink_cards == 2


def test_a_price_without_a_source_is_none() -> None:
    assert card("a100-40").price_per_hour is None
    assert card("a100-40").price is None
    assert card("rtx-4090").price_per_hour == 0.60


def test_an_unknown_card_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'rtx-9090' is unknown; known: rtx-3090, .*, l40s"):
        card("rtx-9090")


def test_an_own_card_is_read(tmp_path) -> None:
    mine = read_card(write(tmp_path, OWN))
    assert (mine.name, mine.title, mine.memory_gib) == ("my-card", "Mine", 47.5)
    assert mine.tflops["bf16"] == 320
    assert mine.sources == {"bandwidth_gb_per_s": "a page, 2026-01-02"}
    assert mine.price is None


def test_a_card_copied_out_of_the_table_is_read(tmp_path) -> None:
    text = files("pepland_model.estimate").joinpath("cards.toml").read_text(encoding="utf-8")
    start = text.index("[rtx-4090]")
    copied = read_card(write(tmp_path, text[start : text.index("[rtx-5090]")]))
    assert (copied.tflops, copied.price) == (card("rtx-4090").tflops, 1599)
    assert copied.sources["power_w"] == "waredb"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("memory_gib = 47.5", "", "memory_gib is missing"),
        ("tf32 = 160, ", "", "tflops.tf32 is missing"),
        ("tflops = { fp32 = 80, tf32 = 160, bf16 = 320, fp16 = 320 }", "", "tflops is None"),
        ('title = "Mine"', "", "title is None"),
        ("peer_to_peer = true", "", "peer_to_peer is missing"),
        ("= 47.5", '= "48 GB"', "memory_gib is '48 GB'; it must be a number above 0"),
        ("= 47.5", "= 0", "memory_gib is 0; it must be a number above 0"),
        ("= 47.5", "= nan", "memory_gib is nan"),
        ("= 47.5", "= inf", "memory_gib is inf"),
        ("= 47.5", f"= {'9' * 400}", "memory_gib is 999"),
        ("= 47.5", "= true", "memory_gib is True"),
        ("= 47.5", "= [47.5]", r"memory_gib is \[47.5\]; it must be \[value, source\]"),
        ("fp32 = 80", "fp32 = -80", "tflops.fp32 is -80"),
        ("power_w = 300", "power_w = -300", "power_w is -300"),
        ("nvlink_gb_per_s = 0", "nvlink_gb_per_s = -1", "nvlink_gb_per_s is -1"),
        ("nvlink_cards = 0", "nvlink_cards = 2.5", "nvlink_cards is 2.5"),
        ("peer_to_peer = true", 'peer_to_peer = "yes"', "peer_to_peer is 'yes'"),
        ("power_w = 300", "power_w = 300\nprice = 0", "price is 0"),
        ("power_w = 300", "power_w = 300\nwatts = 300", "field 'watts' is unknown; known: title"),
        ("[my-card]", "", "is not one card"),
        ("[my-card]", "sources = 3\n[my-card]", "sources is 3"),
        ("[my-card]", "[sources]\na = 3\n[my-card]", r"sources is \{'a': 3\}"),
        ("[my-card]", "[other]\n[my-card]", "is not one card"),
        ("power_w = 300", "power_w 300", "cannot read card"),
    ],
)
def test_a_wrong_own_card_is_refused_in_one_sentence(tmp_path, old, new, message) -> None:
    path = write(tmp_path, OWN.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        read_card(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"cannot read card .*none\.toml"):
        read_card(tmp_path / "none.toml")


def test_the_answer_shows_the_figures_and_what_is_not_confirmed() -> None:
    answer = cards_answer([card("rtx-3090"), card("a100-40")])
    assert [row["card"] for row in answer.rows] == ["GeForce RTX 3090", "A100 40 GB SXM"]
    assert answer.rows[0]["bandwidth_gb_per_s"] == 936
    assert answer.rows[0]["bf16_tflops"] == 71
    assert answer.rows[1]["usd_to_buy"] is None
    assert answer.rows[0].keys() == answer.rows[1].keys()
    doubts = answer.notes[-1]
    assert "tflops.bf16" in doubts
    assert "A100" not in doubts
    assert len(cards_answer([card("a100-40")]).notes) == len(answer.notes) - 1
