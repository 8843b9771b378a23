"""Read pages and what objects show in a notebook strictly: tags, ids, words, other files."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

VOID = {"meta", "path", "use", "rect", "ellipse", "br"}


class Reader(HTMLParser):
    """The tags and ids of a page; an element that is closed out of turn is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag


def check_alone(page: str) -> None:
    """Assert that a page needs no network, and that its policy forbids it."""
    assert not re.search(r'(?:src|href)\s*=\s*"(?!#)|url\((?!#)|@import', page)
    assert "default-src 'none'" in page


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
