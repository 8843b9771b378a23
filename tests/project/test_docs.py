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


OPTIONS = [
    pytest.param(option, id=f"{name} {option.opts[-1]}")
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
]
NUMBERS = [
    case for case in OPTIONS
    if isinstance(case.values[0].type, click.types.IntParamType | click.types.FloatParamType)
]  # fmt: skip
UNIT = re.compile(
    "number of|share|rate|norm|decay|width|depth|random seed|identity|residues|"  # without a unit
    "seconds|minutes|rows|graphs|atoms|fragments|parts|passes|steps|evaluation|in --currency"
)
"""Words of which the help of a number has one: what it counts, its unit, or what kind it is."""


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_says_what_it_is_for(option):
    assert re.fullmatch(r"\S.{9,}[.)\]]", option.help or "")


@pytest.mark.parametrize("option", NUMBERS)
def test_every_number_says_what_it_counts_or_its_unit(option):
    assert UNIT.search(option.help.lower()), option.help


@pytest.mark.parametrize("option", OPTIONS)
def test_every_default_is_shown(option):
    has_one = isinstance(option.default, str | int | float) and option.default not in ("", False)
    assert option.show_default or not has_one


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_stand_above_the_options_in_a_help(name):
    shown = CliRunner().invoke(COMMANDS[name], ["--help"]).output
    assert shown.index("Example") < re.search(r"^(Most used|Options):$", shown, re.M).start()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_readme_or_the_index_leads_to_every_page():
    readme = (ROOT / "README.md").read_text()
    index = (ROOT / "docs" / "index.md").read_text()
    known = {p.name for p in PAGES[1:] if f"docs/{p.name}" in readme or f"({p.name})" in index}
    assert {p.name for p in PAGES[1:]} == known
