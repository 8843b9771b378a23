"""Help of the commands as Markdown, written when the site is built.

A page asks for a program with the line ``<!-- help of PROGRAM -->``.
"""

from __future__ import annotations

import html
import importlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"<!-- help of (\S+) -->")


def on_page_markdown(markdown: str, **page: Any) -> str:
    """Replace the mark of a page by the help of its program and of all subcommands."""
    return MARK.sub(lambda found: "\n".join(program(found[1])), markdown)


def program(name: str) -> Iterator[str]:
    """Yield the help of a program of pyproject.toml, then of each of its commands."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    module, function = scripts["project"]["scripts"][name].split(":")
    command = getattr(importlib.import_module(module), function)
    context = click.Context(command, info_name=name, **command.context_settings)
    yield page_of(context)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            assert found is not None, sub
            yield f"## {name} {sub}\n"
            yield page_of(click.Context(found, info_name=sub, parent=context))


def page_of(context: click.Context) -> str:
    """Return the help of one command, which writes it itself, as Markdown."""
    formatter = Markdown()
    context.command.format_help(context, formatter)
    return formatter.getvalue()


class Markdown(click.HelpFormatter):
    """Writes Markdown where click writes columns: usage, sections, texts, lists of options."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the form of a call as code."""
        self.write(f"```\n{prog} {args}\n```\n\n")

    def write_heading(self, heading: str) -> None:
        """Write the title of a section."""
        self.write(f"\n**{heading}**\n\n")

    def write_text(self, text: str) -> None:
        r"""Write paragraphs; those that click does not wrap (``\b``), and examples, are code."""
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            self.write(code(paragraph) if is_example(paragraph) else f"{escaped(paragraph)}\n\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write a list of terms, such as options, and what they are for."""
        for term, told in rows:
            self.write(f"`{term}`\n:   {escaped(told) or '&nbsp;'}\n\n")


def is_example(paragraph: str) -> bool:
    """Return whether a paragraph of a help has commands or lines of its own."""
    return paragraph.startswith(("\b", "Example: ", "Examples:"))


def code(paragraph: str) -> str:
    r"""Return a paragraph as code below its title; without one, all of it."""
    lines = paragraph.removeprefix("\b").strip("\n").split("\n")
    title, colon, rest = lines[0].partition(":")
    if not (colon and title.startswith("Example")):
        return "```\n" + "\n".join(lines) + "\n```\n\n"
    body = "\n".join(line.strip() for line in [rest, *lines[1:]] if line.strip())
    return f"**{title}**\n\n```console\n{body}\n```\n\n"


def escaped(text: str) -> str:
    """Return one line of text in which Markdown finds no marks but code."""
    parts = re.split("(`[^`]+`)", html.escape(" ".join(text.split()), quote=False))
    marks = r"([\\`*_\[\]])"
    parts[::2] = [re.sub(marks, r"\\\1", part) for part in parts[::2]]
    return "".join(parts)
