"""The doctor names what is missing, for which command, and how it is installed."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pepland_cli import diagnosis
from pepland_cli.data_commands.doctor import text
from pepland_cli.diagnosis import BASE, GIB, NOTE, OK, OPTIONAL, PROBLEM, Package
from pepland_cli.versions import version_line, versions
from tests.helpers.bare_checkout import HIDE
from tests.helpers.commands import cli
from tests.helpers.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LATER = ("all", "dev", "docs")
DOCTOR = "from pepland_cli.data import main; main()"


def name_of(requirement: str) -> str:
    return requirement.split(";")[0].split("[")[0].split(">")[0].split("<")[0].strip()


def test_every_package_of_an_extra_is_known_with_an_extra_that_brings_it() -> None:
    extras = {extra: {name_of(r) for r in given}
              for extra, given in PROJECT["optional-dependencies"].items()}  # fmt: skip
    needed = {name for extra, names in extras.items() if extra not in LATER for name in names}
    needed.discard("pepland-data")  # an extra that contains another one
    known = {p.name: p.extra for p in OPTIONAL}
    assert needed <= set(known)
    assert all(name in extras[extra] for name, extra in known.items() if extra)
    assert {name for name, extra in known.items() if not extra}.isdisjoint(needed)


def test_every_requirement_is_a_base_package() -> None:
    assert {name_of(r) for r in PROJECT["dependencies"]} == {p.name for p in BASE}


def test_the_doctor_of_this_environment_finds_no_problem() -> None:
    done = cli("doctor", "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["sound"]) == (0, True)
    states = {f["topic"]: f["state"] for f in result["findings"]}
    assert {"versions", "torch", "optional", "memory", "cores", "/dev/shm", "disk"} <= set(states)
    assert result["versions"]["torch"] == torch.__version__


def without(*hidden: str) -> subprocess.CompletedProcess[str]:
    hide = HIDE.replace(HIDE[HIDE.index("in {") + 3 : HIDE.index("} else") + 1], repr(set(hidden)))
    command = [sys.executable, "-c", hide + DOCTOR, "doctor", "--json"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_a_missing_optional_package_is_a_note_with_its_extra() -> None:
    done = without(
        "rdkit", "helmkit", "zarr", "dgl", "torch_geometric", "distributed", "tensorboard"
    )
    found = {f["topic"]: f for f in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0, done.stderr
    assert found["rdkit"]["state"] == NOTE
    assert found["rdkit"]["remedy"] == "pip install 'pepland-data[build]'"
    assert "build" in found["rdkit"]["text"]
    assert found["zarr"]["remedy"] == "pip install 'pepland-data[zarr]'"
    assert found["torch_geometric"]["remedy"] == "pip install 'torch_geometric'"


@pytest.mark.parametrize("package", ["numpy", "torch"])
def test_a_missing_base_package_is_a_problem(package: str) -> None:
    done = without(package, "dgl", "torch_geometric", "distributed", "tensorboard", "matplotlib")
    found = {f["topic"]: f for f in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1, done.stderr
    assert found[package]["state"] == PROBLEM
    assert "memory" not in found
    assert "disk" in found


def test_an_installed_package_that_cannot_be_imported_is_named_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_one.py").write_text("raise OSError('no libfoo.so')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for extra, state in (("build", PROBLEM), ("zarr", NOTE)):
        monkeypatch.setattr(diagnosis, "OPTIONAL", (Package("broken_one", extra, "build"),))
        _, found = diagnosis.optional_findings()
        assert (found.state, "OSError: no libfoo.so" in found.text) == (state, True)


@pytest.mark.parametrize(("driver", "cuda", "state", "word"), [
    (False, None, OK, "CPU"), (True, None, NOTE, "without CUDA"), (True, "12.8", NOTE, "finds no"),
])  # fmt: skip
def test_why_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, driver: bool, cuda: str | None, state: str,
    word: str,
) -> None:  # fmt: skip
    path = tmp_path / "version"
    if driver:
        path.touch()
    monkeypatch.setattr(diagnosis, "DRIVER", path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    (found,) = diagnosis.devices()
    assert (found.state, word in found.text) == (state, True)


def test_a_gpu_that_cannot_compute_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Card")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (GIB, 2 * GIB))
    monkeypatch.setattr(torch, "ones", lambda *a, **k: torch.zeros(8) + 1)
    assert diagnosis.gpu(0).state == OK
    assert "1.0 GiB of 2.0 GiB free; used by default" in diagnosis.gpu(0).text

    def no_kernel(*a: object, **k: object) -> None:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(torch, "ones", no_kernel)
    assert diagnosis.gpu(0).state == PROBLEM
    assert "no kernel image" in diagnosis.gpu(0).text


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_named() -> None:
    assert torch.cuda.get_device_name(0) in next(diagnosis.devices()).text


@pytest.mark.parametrize(("free", "state"), [(GIB // 16, NOTE), (GIB, OK)])
def test_little_shared_memory_is_a_note(
    monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert diagnosis.shared_memory().state == state


@pytest.mark.parametrize(("variables", "state", "word"), [
    ({}, OK, "can be written"),
    ({"NUMBA_DISABLE_JIT": "1"}, NOTE, "unset NUMBA_DISABLE_JIT"),
])  # fmt: skip
def test_whether_compiled_functions_are_kept(
    variables: dict[str, str], state: str, word: str, tmp_path: Path
) -> None:
    pytest.importorskip("numba", reason="Numba is not installed")
    program = "from pepland_cli.diagnosis import *; print(*next(numba_cache()).__dict__.values())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "NUMBA_CACHE_DIR": str(tmp_path), **variables},
    )  # fmt: skip
    assert f" {state} " in done.stdout
    assert word in done.stdout


def test_what_a_system_without_these_files_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(diagnosis, "SHM", tmp_path / "shm")
    monkeypatch.setattr("pepland_data.loader.tiers.choice.free_host_bytes", lambda: 0)
    assert (diagnosis.shared_memory().state, diagnosis.memory().state) == (OK, OK)


@pytest.mark.parametrize(("line", "quota"), [
    ("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), (None, None),
])  # fmt: skip
def test_the_limit_of_a_container_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str | None, quota: float | None
) -> None:
    path = tmp_path / "cpu.max"
    if line is not None:
        path.write_text(line, encoding="utf-8")
    monkeypatch.setattr(diagnosis, "CPU_QUOTA", path)
    assert diagnosis.core_quota() == quota


def test_the_text_has_one_line_for_each_finding() -> None:
    found = {"state": NOTE, "topic": "zarr", "text": "not installed", "remedy": "pip install zarr"}
    assert (
        text({"findings": [found, found]}).splitlines()
        == ["note     zarr            not installed; pip install zarr"] * 2
    )


def test_one_line_of_versions_names_what_a_bug_report_needs() -> None:
    assert len(version_line().splitlines()) == 1
    assert list(versions()) == ["pepland-data", "Python", "torch", "CUDA", "RDKit", "store format",
                                "featurizer"]  # fmt: skip
    assert versions()["CUDA"] == torch.version.cuda


@pytest.mark.parametrize("program", ["data", "train", "embed", "bench"])
def test_every_program_has_a_version(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module(f"pepland_cli.{program}").main
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == version_line() + "\n"


def module(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pepland_data", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False,
                          env={"PATH": "/usr/bin:/bin", **environment})  # fmt: skip


def test_the_package_runs_as_the_command() -> None:
    done = module("--help")
    assert done.stdout.startswith("Usage: pepland-data [OPTIONS]")


def test_a_shell_completes_commands_and_options() -> None:
    script = module(_PEPLAND_DATA_COMPLETE="bash_source").stdout
    assert "_pepland_data_completion" in script
    words = {"_PEPLAND_DATA_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert "plain,doctor" in module(**words, COMP_WORDS="pepland-data doc").stdout
    words |= {"COMP_CWORD": "2"}
    assert "plain,--json" in module(**words, COMP_WORDS="pepland-data doctor --j").stdout
