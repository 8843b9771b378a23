"""Documented commands, options and links exist."""

import importlib
import re

import click
import pytest
from click.testing import CliRunner

from tests.helpers.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = {
    "pepland-data": "pepland_cli.data:main",
    "pepland-train": "pepland_cli.train:main",
    "pepland-embed": "pepland_cli.embed:main",
    "pepland-bench": "pepland_cli.bench:main",
}


def commands():
    for program, where in PROGRAMS.items():
        module, name = where.split(":")
        found = getattr(importlib.import_module(module), name)
        yield program, found
        if isinstance(found, click.Group):
            context = click.Context(found)
            for sub in found.list_commands(context):
                yield f"{program} {sub}", found.get_command(context, sub)


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    done = CliRunner().invoke(COMMANDS[name], ["--help"])
    assert done.exit_code == 0
    assert re.search(r"Examples?:", done.output), done.output
    assert name.split()[0] in done.output.split("Example", 1)[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name):
    words = name.split()
    text = "\n".join(page.read_text() for page in PAGES)
    assert re.search(rf"{words[0]} (?:\S+ \| )*{words[-1]}\b" if words[1:] else words[0], text)


@pytest.mark.parametrize("name", [n for n, c in COMMANDS.items() if not isinstance(c, click.Group)])
def test_every_option_of_a_command_says_what_it_is_for(name):
    silent = [
        option.opts[-1]
        for option in COMMANDS[name].params
        if isinstance(option, click.Option) and not option.help and not option.show_default
    ]
    assert not silent


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_readme_leads_to_every_page():
    readme = (ROOT / "README.md").read_text()
    assert not [page.name for page in PAGES[1:] if f"docs/{page.name}" not in readme]
