"""Conversion in a separate process: nothing that a text does ends a build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from pepland_data.builder.workers.isolation import IsolatedFeaturizer, nothing
from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.featurizer import Featurizer
from pepland_data.errors import BuildError

GOOD = ["CC(N)C(=O)O", "NCC(=O)NCC(=O)O", "C[C@H](N)C(=O)N1CCC[C@H]1C(=O)O", "c1ccccc1"]
SABOTAGE = """
import os, signal, sys, time
from rdkit import Chem
real = Chem.MolFromSmiles
def reader(text, *args):
    if text == "[Xe]":
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "[Kr]":
        while True:
            pass
    if text == "[Ar]":
        held = [bytearray(2**26) for _ in range(200)]
    if text == "[Ne]":
        raise KeyError("odd")
    if text == "[Rn]":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "[He]":
        raise FileNotFoundError("no BaseFeatures.fdef")
    return real(text, *args)
Chem.MolFromSmiles = reader
real_block = Chem.MolFromMolBlock
Chem.MolFromMolBlock = lambda text: reader(text.split("\\n")[0]) and real_block(text)
import pepland_data.chem.notation.parse as molecule
molecule._READERS["smiles"] = reader
from pepland_data.builder.workers.isolated_process import main
main()
"""


@pytest.fixture
def sabotaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let noble gases crash, hang or fill memory, as some texts do inside native code."""
    script = tmp_path / "server.py"
    script.write_text(SABOTAGE)
    import pepland_data.builder.workers.isolation as isolated

    popen = isolated.subprocess.Popen

    def started(command: list[str], **kwargs: object) -> object:
        return popen([command[0], str(script), *command[3:]], **kwargs)

    monkeypatch.setattr(isolated.subprocess, "Popen", started)


def same_graphs(texts: list[str], options: FeaturizeOptions, isolated: IsolatedFeaturizer) -> None:
    got, want = isolated.convert(texts), Featurizer(options).convert(texts)
    assert got.kept.tolist() == want.kept.tolist()
    assert [(r.position, r.stage) for r in got.rejects] == [
        (r.position, r.stage) for r in want.rejects
    ]
    for name, values in vars(want.columns).items():
        if name.endswith("_ptr") or not name.endswith("_code"):
            np.testing.assert_array_equal(getattr(got.columns, name), values)
    np.testing.assert_array_equal(
        got.tables.atom_x[got.columns.atom_code], want.tables.atom_x[want.columns.atom_code]
    )


def test_a_separate_process_makes_the_same_graphs() -> None:
    options = FeaturizeOptions(input_format="auto")
    with IsolatedFeaturizer(options) as isolated:
        same_graphs([*GOOD, "", "C1CC", "ACDEFGHIK", "nonsense"] * 3, options, isolated)
        same_graphs(["GG"], options, isolated)
        assert len(isolated.convert([]).columns) == 0


@pytest.mark.usefixtures("sabotaged")
def test_a_text_that_ends_the_process_is_rejected_and_the_others_are_converted() -> None:
    options = FeaturizeOptions(time_limit=1.0)
    texts = [GOOD[0], "[Xe]", "[Kr]", "[Ar]", "[Ne]", GOOD[1]]
    with IsolatedFeaturizer(options, memory_limit=2**29) as isolated:
        done = isolated.convert(texts)
    assert [(texts[r.position], r.stage) for r in done.rejects] == [
        ("[Xe]", "crash"), ("[Kr]", "timeout"), ("[Ar]", "limits"), ("[Ne]", "crash"),
    ]  # fmt: skip
    reasons = ("SIGSEGV", "more than 1 s of processor time", "512 MiB of memory", "KeyError")
    for reject, reason in zip(done.rejects, reasons, strict=True):
        assert reason in reject.reason
    assert done.kept.tolist() == [0, 5]
    want = Featurizer(options).convert([GOOD[0], GOOD[1]])
    np.testing.assert_array_equal(done.columns.atom_ptr, want.columns.atom_ptr)


@pytest.mark.usefixtures("sabotaged")
def test_a_record_of_an_sdf_file_that_ends_the_process_is_a_reject() -> None:
    blocks = [Chem.MolToMolBlock(Chem.MolFromSmiles("NCC(=O)O"))] * 4
    texts = [f"{name}{text}" for name, text in zip(("C", "[Xe]", "[Kr]", "N"), blocks, strict=True)]
    options = FeaturizeOptions(input_format="auto", time_limit=0.5)
    with IsolatedFeaturizer(options) as isolated:
        done = isolated.convert(texts)
    assert [(r.position, r.stage) for r in done.rejects] == [(1, "crash"), (2, "timeout")]
    assert done.kept.tolist() == [0, 3]
    assert done.renamed == {0: "NCC(=O)O", 3: "NCC(=O)O"}


def test_a_process_killed_from_outside_costs_no_row() -> None:
    with IsolatedFeaturizer(FeaturizeOptions()) as isolated:
        isolated.convert(GOOD)
        child = isolated._process._child  # type: ignore[union-attr]
        child.kill()
        child.wait()
        assert isolated.convert(GOOD).kept.tolist() == [0, 1, 2, 3]


@pytest.mark.usefixtures("sabotaged")
@pytest.mark.parametrize(
    ("text", "why"), [("[Rn]", "killed twice from outside"), ("[He]", "no BaseFeatures.fdef")]
)
def test_what_no_text_is_to_blame_for_rejects_none(text: str, why: str) -> None:
    with (
        IsolatedFeaturizer(FeaturizeOptions()) as isolated,
        pytest.raises(BuildError, match=why),
    ):
        isolated.convert([*GOOD, text])


def test_a_process_that_cannot_start_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(BuildError, match="cannot start"):
        IsolatedFeaturizer(FeaturizeOptions()).convert(GOOD)
    assert len(nothing().columns) == 0
