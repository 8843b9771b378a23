"""What an object shows in a notebook, read back."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree


def shown(thing: Any) -> str:
    """Return the words that an object shows; its HTML must be well-formed."""
    return text_of(thing._repr_html_())


def text_of(markup: str) -> str:
    """Return the words of an element, without the titles of pictures; ParseError if it is none."""
    root = ElementTree.fromstring(markup)
    return " ".join(" ".join(root.itertext()).split())


def picture_count(thing: Any) -> int:
    """Return how many pictures an object shows."""
    return str(thing._repr_html_()).count("<svg ")
