"""The table of cards: memory, bandwidth, peak speeds, links, power and prices, each with a source.

The figures are those of ``cards.toml``. They are peaks of data sheets, not speeds of this package.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pepland_data.errors import InputError
from pepland_model.estimate.answer import Answer
from pepland_model.run.config import read_toml

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
POSITIVE = ("memory_gib", "bandwidth_gb_per_s", "power_w", "pcie_gb_per_s")
"""Figures above 0."""
PRICES = ("price_per_hour", "price")
"""Figures above 0 that may be left out."""
LINKS = ("nvlink_gb_per_s", "nvlink_cards", "peer_to_peer")
FIELDS = ("title", *POSITIVE, *LINKS, *PRICES, "tflops")
NOT_CONFIRMED = "not confirmed"
"""Start of the source of a figure that could not be confirmed."""


@dataclass(frozen=True)
class Card:
    """A graphics card."""

    name: str
    """Name in the table of cards, such as ``rtx-4090``."""
    title: str
    """Name for people."""
    memory_gib: float
    """Memory as ``nvidia-smi`` shows it."""
    bandwidth_gb_per_s: float
    """Bandwidth of the memory."""
    tflops: dict[str, float]
    """Precision -> peak of dense matrix products with fp32 accumulate, 1e12 FLOP per second."""
    power_w: float
    """Power limit."""
    pcie_gb_per_s: float
    """Bandwidth of the PCIe link, each way."""
    nvlink_gb_per_s: float
    """Bandwidth of all NVLinks of the card, both ways together; 0 where there are none."""
    nvlink_cards: int
    """Most cards that NVLink joins; 0 where there is none."""
    peer_to_peer: bool
    """Whether cards write to each other's memory without the host."""
    sources: dict[str, str]
    """Figure, such as ``power_w`` or ``tflops.bf16`` -> its source, with a date."""
    price_per_hour: float | None = None
    """Price of an hour on demand, US$; None where no source is known."""
    price: float | None = None
    """Price to buy the card, US$; None where no source is known."""

    @property
    def not_confirmed(self) -> list[str]:
        """Figures whose source could not be confirmed."""
        return [f for f, source in self.sources.items() if source.startswith(NOT_CONFIRMED)]


@cache
def cards() -> dict[str, Card]:
    """Return the cards of the table by name, in its order."""
    document = _document()
    sources = document.pop("sources")
    del document["date"]
    return {name: _card(name, table, sources, name) for name, table in document.items()}


def card(name: str) -> Card:
    """Return a card of the table; InputError if it has none of this name."""
    if name not in cards():
        raise InputError(f"card {name!r} is unknown; known: {', '.join(cards())}")
    return cards()[name]


def read_card(path: str | Path) -> Card:
    """Read a card that is not in the table.

    Args:
        path: TOML file with one table of the form of ``cards.toml``. A figure may be a value
            without a source.

    Raises:
        InputError: the file cannot be read, or a figure is missing or not allowed.
    """
    document = read_toml(path, "card", "cards.toml")
    sources = document.pop("sources", {})
    document.pop("date", None)
    tables = {name: table for name, table in document.items() if isinstance(table, dict)}
    if len(tables) != 1 or len(document) != 1:
        raise InputError(f"{path} is not one card; put all its figures below one line [NAME]")
    if not isinstance(sources, dict) or not all(isinstance(s, str) for s in sources.values()):
        raise InputError(f"{path}: sources is {sources!r}; give a text for each source")
    ((name, table),) = tables.items()
    return _card(name, table, sources, f"{path}: card {name}")


def cards_answer(shown: Sequence[Card]) -> Answer:
    """Return the figures of some cards as a table."""
    doubts = [f"{c.title}: {', '.join(c.not_confirmed)}" for c in shown if c.not_confirmed]
    notes = [
        f"Figures of {_document()['date']}; cards.toml has the source of each. Speeds are peaks of "
        "dense matrix products with fp32 accumulate.",
        "Memory is what nvidia-smi shows. PCIe is each way, NVLink both ways together. Prices are "
        "in US$.",
    ]
    if doubts:
        notes.append(f"Not confirmed: {'; '.join(doubts)}.")
    return Answer("cards", "Cards", [_row(one) for one in shown], tuple(notes))


def _row(card: Card) -> dict[str, Any]:
    speeds = {f"{p}_tflops": card.tflops[p] for p in PRECISIONS}
    return {
        "card": card.title,
        "memory_gib": card.memory_gib,
        "bandwidth_gb_per_s": card.bandwidth_gb_per_s,
        **speeds,
        "power_w": card.power_w,
        "pcie_gb_per_s": card.pcie_gb_per_s,
        "nvlink_gb_per_s": card.nvlink_gb_per_s,
        "nvlink_cards": card.nvlink_cards,
        "peer_to_peer": "yes" if card.peer_to_peer else "no",
        "usd_per_hour": card.price_per_hour,
        "usd_to_buy": card.price,
    }


def positive(name: str, value: Any) -> float:
    """Return a number above 0; InputError with its name if it is none."""
    if not _is_number(value) or value <= 0:
        raise InputError(f"{name} is {value!r}; it must be a number above 0")
    return float(value)


def not_negative(name: str, value: Any) -> float:
    """Return a number of 0 or more; InputError with its name if it is none."""
    if not _is_number(value) or value < 0:
        raise InputError(f"{name} is {value!r}; it must be a number of 0 or more")
    return float(value)


def whole(name: str, value: Any, least: int = 0) -> int:
    """Return a whole number; InputError with its name if it is none or below the least."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is {value!r}; it must be a whole number of {least} or more")
    return value


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < sys.float_info.max


def _card(name: str, table: dict[str, Any], sources: dict[str, str], where: str) -> Card:
    """Return the card of a table of figures; InputError if one is missing or not allowed."""
    unknown = sorted(set(table) - set(FIELDS))
    if unknown:
        raise InputError(f"{where}: field {unknown[0]!r} is unknown; known: {', '.join(FIELDS)}")
    title = table.get("title")
    if not isinstance(title, str):
        raise InputError(f"{where}: title is {title!r}; it must be a text")
    found = {field: table[field] for field in FIELDS[1:] if field in table}
    speeds = found.pop("tflops", None)
    if not isinstance(speeds, dict):
        raise InputError(f"{where}: tflops is {speeds!r}; give a speed for each precision")
    found |= {f"tflops.{precision}": speed for precision, speed in speeds.items()}
    values, origins = _split(found, sources, where)
    return Card(name, title, sources=origins, **_checked(values, where))


def _split(
    found: dict[str, Any], sources: dict[str, str], where: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of figures, and the sources of those that have one."""
    values, origins = dict(found), {}
    for field, pair in found.items():
        if isinstance(pair, list):
            if len(pair) != 2 or not isinstance(pair[1], str):
                raise InputError(f"{where}: {field} is {pair!r}; it must be [value, source]")
            values[field], origins[field] = pair[0], sources.get(pair[1], pair[1])
    return values, origins


def _checked(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the fields of a card that are figures."""
    speeds = [f"tflops.{precision}" for precision in PRECISIONS]
    missing = [f for f in (*POSITIVE, *LINKS, *speeds) if f not in values]
    if missing:
        raise InputError(f"{where}: {missing[0]} is missing; add it, see cards.toml for its unit")
    above_0 = [*POSITIVE, *(f for f in PRICES if f in values)]
    peer_to_peer = values["peer_to_peer"]
    if not isinstance(peer_to_peer, bool):
        raise InputError(f"{where}: peer_to_peer is {peer_to_peer!r}; it must be true or false")
    return {
        **{f: positive(f"{where}: {f}", values[f]) for f in above_0},
        "tflops": {
            p: positive(f"{where}: {f}", values[f]) for p, f in zip(PRECISIONS, speeds, strict=True)
        },
        "nvlink_gb_per_s": not_negative(f"{where}: nvlink_gb_per_s", values["nvlink_gb_per_s"]),
        "nvlink_cards": whole(f"{where}: nvlink_cards", values["nvlink_cards"]),
        "peer_to_peer": peer_to_peer,
    }


def _document() -> dict[str, Any]:
    text = files("pepland_model.estimate").joinpath("cards.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
