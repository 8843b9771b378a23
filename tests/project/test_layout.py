"""The folders are as docs/architecture.md and pyproject.toml say."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.common.layout_counts import cycles, python_files
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = sorted(p.parent for d in ("pepland_data", "pepland_model") for p in
                  (ROOT / d).rglob("__init__.py"))  # fmt: skip
ROOMS = [p.relative_to(ROOT) for p in PACKAGES if p.parent != ROOT and p.name != "resources"]
MOST_FILES = 20


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = [".".join(path.relative_to(ROOT).parts) for path in PACKAGES]
    cli = [path.parent.relative_to(ROOT).parts[1:] for path in (ROOT / "cli").rglob("__init__.py")]
    assert sorted(listed) == sorted([*found, *(".".join(["pepland_cli", *rest]) for rest in cli)])


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_every_room_opens_with_a_docstring_that_names_its_files(room: Path) -> None:
    tree = ast.parse((ROOT / room / "__init__.py").read_text())
    assert len(tree.body) == 1
    told = ast.get_docstring(tree) or ""
    names = [p.stem for p in (ROOT / room).glob("*.py") if p.stem != "__init__"]
    names += [p.parent.name for p in (ROOT / room).glob("*/__init__.py")]
    assert not [name for name in names if not re.search(rf"\b{name}\b", told)]


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_the_architecture_page_names_every_room(room: Path) -> None:
    assert f"`{room}`" in PAGE or str(room.parent) in PAGE


def test_every_file_that_the_architecture_page_names_is_there() -> None:
    known = {str(path) for path in python_files(ROOT)}
    named = re.findall(r"`([\w/]+\.py)`", PAGE)
    assert named
    assert not [name for name in named if not any(f"/{k}".endswith(f"/{name}") for k in known)]


def test_no_folder_shows_more_files_than_one_can_take_in() -> None:
    folders = [path.parent for path in python_files(ROOT) if path.name != "__init__.py"]
    assert not [f for f in set(folders) if folders.count(f) > MOST_FILES]


def test_no_modules_import_each_other() -> None:
    assert cycles(ROOT) == []
