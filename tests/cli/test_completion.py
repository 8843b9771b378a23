"""Shells complete commands, options, values and the names of files."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pepland_cli.bench import main as bench
from pepland_cli.data import main as data
from pepland_cli.embed import main as embed
from pepland_cli.train import main as train

PROGRAMS = {
    "pepland-data": data, "pepland-train": train, "pepland-embed": embed, "pepland-bench": bench,
}  # fmt: skip


def answer(name: str, instruction: str, words: str = "") -> str:
    """Return what a program tells a shell for a line; the last word is completed."""
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    place = str(max(0, len(words.split(" ")) - 1))
    env = {variable: instruction, "COMP_WORDS": words, "COMP_CWORD": place}
    return CliRunner().invoke(PROGRAMS[name], env=env, prog_name=name).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_writes_its_completion_for_a_shell(name, shell) -> None:
    assert f"{shell}_complete" in answer(name, f"{shell}_source")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("pepland-data bu", "plain,build"),
        ("pepland-data build --smi", "plain,--smiles-column"),
        ("pepland-data build p.csv --input-format seq", "plain,sequence"),
        ("pepland-data info da", "file,da"),
        ("pepland-data build p.csv --out da", "file,da"),
        ("pepland-data merge a b", "file,b"),
        ("pepland-train --shards da", "file,da"),
        ("pepland-train --out ru", "file,ru"),
        ("pepland-train --schedule co", "plain,constant\nplain,cosine"),
        ("pepland-embed --checkpoint ru", "file,ru"),
        ("pepland-embed pep", "file,pep"),
        ("pepland-bench estimate da", "file,da"),
    ],
)
def test_a_word_is_completed(line: str, found: str) -> None:
    assert answer(line.split()[0], "bash_complete", line).strip() == found
