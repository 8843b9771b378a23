"""Compiled functions without a folder to keep their code."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from pepland_data.chem.compiled import compiled


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
