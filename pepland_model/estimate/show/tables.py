"""Answers as tables: for a terminal, and in Markdown."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from pepland_data.draw.figures import number_text
from pepland_model.estimate.answer import Answer

TITLE = "What a run costs"
"""Heading of a document."""
UNITS = {
    "gb_per_s": "GB/s",
    "gib": "GiB",
    "mib": "MiB",
    "gb": "GB",
    "mb": "MB",
    "ms": "ms",
    "s": "s",
    "w": "W",
    "kwh": "kWh",
    "tflops": "TFLOP/s",
    "gflop": "GFLOP",
    "usd": "US$",
}
"""End of a key -> unit."""
WORDS = {"gpus": "GPUs", "pcie": "PCIe", "nvlink": "NVLink", "kwh": "kWh", "usd": "US$"}
"""Word of a key -> how it is written."""
SHARES = ("efficiency", "share")
"""Ends of the keys whose values are shares of 1."""
TEXT_WIDTH = 100
"""Characters of a line of notes in a terminal."""
CELL_WIDTH = 48
"""Characters of a line of a cell in a terminal."""


def answers(document: Mapping[str, Any]) -> list[Answer]:
    """Return the answers of a document of ``pepland-bench estimate``."""
    return [
        Answer(entry["name"], entry["title"], list(entry["rows"]), tuple(entry.get("notes", ())))
        for entry in document.get("answers", ())
    ]


def columns(answer: Answer) -> list[str]:
    """Return the keys of an answer's rows, each once, in order."""
    return list(dict.fromkeys(key for row in answer.rows for key in row))


def heading(key: str, currency: str = "") -> str:
    """Return a key in words: ``memory_gib`` is "memory, GiB".

    Args:
        key: key of a row, which ends with its unit if it has one.
        currency: unit of money and prices; "" if it is not known.
    """
    if bound := re.fullmatch("(.+)_(low|high)", key):
        return f"{heading(bound[1], currency)}, {bound[2]}"
    for end, unit in UNITS.items():
        if key == end:
            return unit
        if key.endswith(f"_{end}") and not key.endswith(f"_per_{end}"):
            return f"{_words(key.removesuffix(f'_{end}'))}, {unit}"
    if currency and key.endswith("_per_money"):
        return f"{_words(key.removesuffix('money'))}{currency}"
    is_money = currency and key.startswith(("money", "price"))
    return f"{_words(key)}, {currency}" if is_money else _words(key)


def _words(key: str) -> str:
    words = " ".join(WORDS.get(word, word) for word in key.split("_"))
    return re.sub(r"\bper s\b", "per second", words)


def cell(value: object, key: str = "") -> str:
    """Return a value as text on one line.

    Integers are exact; other numbers have three digits, or four from 1,000. "-" stands for None
    and for numbers that are not finite.

    Args:
        value: number, text, None, or a list or mapping of these.
        key: key of the value; those of `SHARES` are shown in percent.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.0%}" if key.endswith(SHARES) else number_text(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{heading(str(k))}: {cell(v, str(k))}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(cell, value))
    printable = "".join(c if c.isprintable() else " " for c in str(value))
    return " ".join(printable.split()) or "-"


def is_numeric(answer: Answer, key: str) -> bool:
    """Return whether a column holds numbers, and perhaps gaps."""
    values = [row.get(key) for row in answer.rows]
    found = [value for value in values if value is not None]
    return bool(found) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in found
    )


def as_text(document: Mapping[str, Any]) -> str:
    """Return a document as headings, aligned tables and notes for a terminal."""
    about = document.get("about", {})
    currency = about.get("currency", "")
    parts = [TITLE, "=" * len(TITLE)]
    parts += [_wrapped(f"{heading(key)}: {cell(value, key)}") for key, value in about.items()]
    for answer in answers(document):
        title = cell(answer.title)
        parts += ["", title, "=" * len(title), *_table_lines(answer, currency)]
        parts += [_wrapped(cell(note)) for note in answer.notes]
    return "\n".join(parts) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, TEXT_WIDTH, subsequent_indent="  ")


def _table_lines(answer: Answer, currency: str) -> list[str]:
    """Return the lines of a table; headings and long cells take several."""
    keys = columns(answer)
    if not keys:
        return ["no figures"]
    body = [
        [textwrap.wrap(cell(row.get(key), key), CELL_WIDTH) for key in keys] for row in answer.rows
    ]
    heads = [heading(key, currency) for key in keys]
    widths = [
        max(len(line) for text in [head.split(), *column] for line in text)
        for head, *column in zip(heads, *body, strict=True)
    ]
    first = [textwrap.wrap(head, width) for head, width in zip(heads, widths, strict=True)]
    right = [is_numeric(answer, key) for key in keys]
    rule = "  ".join("-" * width for width in widths)
    rows = [line for row in body for line in _row_lines(row, widths, right)]
    return [*_row_lines(first, widths, right), rule, *rows]


def _row_lines(
    row: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]
) -> list[str]:
    lines = []
    for i in range(max(map(len, row))):
        texts = [text[i] if i < len(text) else "" for text in row]
        aligned = (
            text.rjust(width) if at_right else text.ljust(width)
            for text, width, at_right in zip(texts, widths, right, strict=True)
        )
        lines.append("  ".join(aligned).rstrip())
    return lines


def as_markdown(answer: Answer, currency: str = "") -> str:
    """Return an answer as Markdown: a caption, a table and a list of notes.

    Args:
        answer: an answer.
        currency: unit of money and prices; "" if it is not known.
    """
    keys = columns(answer)
    lines = [f"**{_escaped(answer.title)}**", ""]
    if keys:
        bars = ["--:" if is_numeric(answer, key) else "---" for key in keys]
        rows = [[_escaped(row.get(key), key) for key in keys] for row in answer.rows]
        heads = [_escaped(heading(key, currency)) for key in keys]
        lines += [f"| {' | '.join(row)} |" for row in (heads, bars, *rows)] + [""]
    notes = [f"- {_escaped(note)}" for note in answer.notes]
    return "\n".join([*lines, *notes]).rstrip() + "\n"


def _escaped(value: object, key: str = "") -> str:
    r"""Return a cell as Markdown; ``\`` before what would be HTML, a link, or a new column."""
    return re.sub(r"([\\|<>&*\[\]])", r"\\\1", cell(value, key))
