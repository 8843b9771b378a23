"""Compiled functions: without a folder to keep their code, and all of them ahead of the texts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numba
import numpy as np
import pytest

from pepland_data.chem.compiled import compiled
from tests.helpers.paths import ROOT


def total(values: np.ndarray) -> int:
    found = 0
    for value in values:
        found += value
    return found


def test_a_function_is_compiled_where_no_folder_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compile_it = numba.njit

    def without_folder(function: Any, cache: bool = False) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_it(function)

    monkeypatch.setattr(numba, "njit", without_folder)
    assert compiled(total)(np.arange(5)) == 10


def test_a_compiled_function_gives_what_its_source_gives() -> None:
    assert compiled(total)(np.arange(100)) == total(np.arange(100))


AHEAD = """
import sys
from pepland_data import Featurizer, FeaturizeOptions
from pepland_data.chem.compile_ahead import compile_ahead
from tests.helpers.ugly_corpus import SLOW, ugly_texts

def signatures():
    found = {}
    for name in [name for name in sys.modules if name.startswith("pepland_data.chem")]:
        for thing in vars(sys.modules[name]).values():
            if hasattr(thing, "py_func"):
                found[thing.py_func.__module__, thing.py_func.__name__] = len(thing.signatures)
    return found

compile_ahead()
ready = signatures()
assert any(ready.values())
texts = [text for text in ugly_texts() if text != SLOW]
for cut in ("adafrag", "amiibo"):
    Featurizer(FeaturizeOptions(cut, "auto", standardize=True)).convert(texts)
    Featurizer(FeaturizeOptions(cut, "sequence")).convert(["ACDEF", "MKV", "odd"])
now = signatures()
assert now == ready, set(now.items()) - set(ready.items())
"""


def test_no_text_pays_for_a_compilation() -> None:
    """All functions have all their signatures before the first text, whatever it is."""
    done = subprocess.run([sys.executable, "-c", AHEAD], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-800:]
