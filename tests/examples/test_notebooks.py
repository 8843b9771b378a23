"""The notebooks run from an empty folder, and are committed with what they gave."""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.paths import ROOT

for package in ("ipykernel", "rdkit", "matplotlib"):
    pytest.importorskip(package)
run = pytest.importorskip("examples.notebooks.execute", exc_type=ImportError)

MOST_BYTES = 300_000


def outputs(notebook: Any, kind: str) -> list[str]:
    """Return all outputs of a kind, such as ``text/html``, in order."""
    found = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    return ["".join(out["data"][kind]) for out in found if kind in out.get("data", {})]


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def kept(name: str) -> Any:
    return json.loads((run.HERE / f"{name}.ipynb").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_first_notebook_trains_and_predicts(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    sizes = {"PEPTIDES": 40, "STEPS": 2, "EPOCHS": 1, "SEEDS": 2}
    notebook = run.executed("train", tmp_path, sizes)
    shown = [words(text) for text in outputs(notebook, "text/html")]
    assert any("40 graphs of 40 rows" in text for text in shown)
    before, after = (text for text in shown if text.startswith("TrainingRun"))
    assert before.startswith("TrainingRun run: pretrain, finished")
    assert after.startswith("TrainingRun fine: regression of charge, finished")
    assert "boosted trees" in after
    assert len(outputs(notebook, "image/png")) == 1
    error = float(outputs(notebook, "text/plain")[-1])
    assert math.isfinite(error)
    assert error > 0


def test_the_second_notebook_reads_a_store_in_every_way(tmp_path: Path) -> None:
    for package in ("duckdb", "polars", "torch_geometric"):
        pytest.importorskip(package)
    notebook = run.executed("store", tmp_path, {"ROWS": 900})
    shown = [words(text) for text in outputs(notebook, "text/html")]
    assert "900 graphs of 900 rows, 0 rejected" in shown[0]
    assert shown[1].startswith("HeteroGraph of ")
    lines = (files("pepland_data") / "resources/sample.csv").read_text(encoding="utf-8").split("\n")
    rows = [line.split(",") for line in lines[1:901]]
    for kind in ("canonical", "noncanonical"):
        texts = [text for text, k, _ in rows if k == kind]
        sulphur = sum("S" in text for text in texts)
        assert any(f" {kind} {len(texts)} {sulphur}" in text for text in shown), (kind, sulphur)
    assert len(outputs(notebook, "image/svg+xml")) == 3
    assert outputs(notebook, "text/plain")[-1].startswith("HeteroData(")


@pytest.mark.parametrize("name", run.NAMES)
def test_a_notebook_is_kept_as_it_ran(name: str) -> None:
    notebook = kept(name)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    kinds = {(out["output_type"], out.get("name")) for cell in code for out in cell["outputs"]}
    assert not kinds & {("error", None), ("stream", "stderr")}
    text = (run.HERE / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert not re.findall(r"(?<![\w.<])/(?:home|root|tmp|work|usr|Users)\b", text)
    again = run.nbformat.reads(text, as_version=4)
    before = copy.deepcopy(again)
    run.clean(again)
    assert again == before


@pytest.mark.parametrize("name", run.NAMES)
def test_a_notebook_is_a_page_of_the_site(name: str) -> None:
    pytest.importorskip("mkdocs")
    path = ROOT / "docs/hooks/notebooks.py"
    spec = importlib.util.spec_from_file_location("notebooks_hook", path)
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    page = "\n\n".join(hook.blocks(kept(name)))
    pictures = [*outputs(kept(name), "image/png"), *outputs(kept(name), "image/svg+xml")]
    assert page.count('src="data:image/') == len(pictures) > 0
    assert page.count("```python\n") == sum(c["cell_type"] == "code" for c in kept(name)["cells"])
    assert not re.search(r"""(src|href)=["']https?:""", page)
    assert hook.on_page_markdown("[a](../b/c.ipynb)") == "[a](../b/c.md)"
