"""What surrounds the code agrees with it: workflow, issue forms, citation, files of the wheel."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import pepland_data
from tests.helpers.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def loaded(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_workflow_runs_what_ci_runs() -> None:
    steps = loaded(".github/workflows/test.yml")["jobs"]["test"]["steps"]
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    preparation = re.compile(r'#|$|set -euo pipefail|cd "\$\(dirname "\$0"\)/\.\."')
    commands = [line for line in lines if not preparation.match(line)]
    assert [step["run"] for step in steps if "run" in step] == commands


def test_the_workflow_tests_every_supported_python() -> None:
    tested = loaded(".github/workflows/test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    classifiers = " ".join(PROJECT["project"]["classifiers"])
    assert tested == re.findall(r"Python :: (3\.\d+)", classifiers)


@pytest.mark.parametrize("form", ["bug", "question"])
def test_an_issue_form_asks_for_the_output_of_doctor(form: str) -> None:
    fields = loaded(f".github/ISSUE_TEMPLATE/{form}.yml")["body"]
    assert any("pepland-data doctor" in field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)


def test_the_citation_is_of_this_version_and_of_the_paper_in_the_readme() -> None:
    found = loaded("CITATION.cff")
    assert found["version"] == pepland_data.__version__
    assert found["license"] == PROJECT["project"]["license"]
    (paper,) = found["references"]
    number = paper["identifiers"][0]["value"].removeprefix("arXiv:")
    assert f"arXiv {number}" in (ROOT / "README.md").read_text(encoding="utf-8")


def folder_of(package: str) -> Path:
    first, *rest = package.split(".")
    return ROOT.joinpath(SETUPTOOLS["package-dir"].get(first, first), *rest)


def installed_files() -> set[Path]:
    """Return the files that a wheel has, from the packages and the package data."""
    found = {path for package in SETUPTOOLS["packages"] for path in folder_of(package).glob("*.py")}
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            found |= {p for p in folder_of(package).glob(pattern) if p.is_file()}
    return found


@pytest.mark.parametrize("folder", ["pepland_data", "pepland_model", "cli"])
def test_a_wheel_has_every_file_of_a_package(folder: str) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no clone, so the files of the project are not known")
    files = {ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    assert files
    assert files - installed_files() == set()
