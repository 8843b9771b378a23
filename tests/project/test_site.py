"""The pages of the site: commands that stand in them work, and nothing public is left out."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from tests.helpers.paths import ROOT

DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "howto").glob("*.md"))
PROGRAMS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "scripts"
]
SMALLER = {
    "--count 200": "--count 40",
    "--hidden 64 --depth 3": "--hidden 16 --depth 2",
    "--max-steps 200 --eval-every 50": "--max-steps 1",
    "--epochs 20 --seeds 3": "--epochs 1 --seeds 1",
}


def typed(page: Path) -> list[str]:
    """Return the commands of a page: the lines of its consoles after a prompt."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").split("\n")
    return [line[2:] for line in lines if line.startswith("$ ")]


def parse(words: list[str]) -> None:
    """Parse a command line of one of our programs as it would be parsed to run, but do not run."""
    module, name = PROGRAMS[words[0]].split(":")
    command, arguments = getattr(importlib.import_module(module), name), words[1:]
    context = click.Context(command, info_name=words[0])
    if isinstance(command, click.Group) and arguments[0] in command.list_commands(context):
        command = command.get_command(context, arguments[0])
        arguments = arguments[1:]
    command.make_context(words[0], arguments)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_commands_of_a_guide_have_the_options_that_it_gives_them(page) -> None:
    ours = [
        words for line in typed(page) if (words := shlex.split(line, comments=True))[0] in PROGRAMS
    ]
    for words in ours:
        parse(words)
    assert ours or page.stem in ("gpus", "lightning")


def test_an_option_that_is_not_there_would_be_found() -> None:
    with pytest.raises(click.NoSuchOption):
        parse(["pepland-data", "build", "peptides.csv", "--out", "data/", "--colour"])


def test_the_commands_of_the_tutorial_run_in_order(tmp_path) -> None:
    lines = "\n".join(typed(DOCS / "tutorial.md"))
    for written, smaller in SMALLER.items():
        assert written in lines
        lines = lines.replace(written, smaller)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = {"cwd": tmp_path, "env": {**os.environ, "PATH": path}, "text": True}
    done = subprocess.run(["bash", "-euxc", lines], capture_output=True, **run)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()) == 5


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_a_page_made_from_its_help(name) -> None:
    page = (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")
    assert f"<!-- help of {name} -->" in page


def test_every_page_is_made_of_what_is_on_this_machine() -> None:
    pages = [*DOCS.rglob("*.md"), ROOT / "mkdocs.yml", *(DOCS / "assets").iterdir()]
    texts = {page.name: page.read_text(encoding="utf-8") for page in pages}
    assert not [
        n for n, t in texts.items() if re.search(r"""(src=|!\[[^\]]*\]\()["']?https?:""", t)
    ]
