"""Arrays made without pandas have the same bytes in a file as those that pyarrow makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pepland_data.inputs.synthetic import SynthOptions, write_peptides
from pepland_data.store.arrow_arrays import flags, numbers, texts

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)


def in_a_file(array: Any) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"x": array})
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), TEXT), max_size=20))
@example([])
@example([None] * 9)
@example(["é", None, ""])
def test_texts_with_and_without_nulls(values: list[str | None]) -> None:
    array = texts(values)
    array.validate(full=True)
    assert array.to_pylist() == values
    assert in_a_file(array) == in_a_file(pa.array(values, pa.large_string()))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int64", "float32", "float64"])
@pytest.mark.parametrize("size", [0, 1, 17])
def test_numbers_of_any_stride(dtype: str, size: int) -> None:
    for values in (np.arange(size, dtype=dtype), np.arange(3 * size, dtype=dtype)[::3]):
        array = numbers(values)
        array.validate(full=True)
        assert in_a_file(array) == in_a_file(pa.array(values))
    keep = np.arange(size) % 3 == 1
    assert in_a_file(flags(keep)) == in_a_file(pa.array(keep))


def test_other_arrays_than_numbers_of_one_dimension_are_refused() -> None:
    for values in (np.zeros((2, 2)), np.array(["a"]), np.array([True])):
        with pytest.raises(TypeError, match="expected one dimension"):
            numbers(values)


def test_a_build_imports_no_pandas(tmp_path: Path) -> None:
    """The import takes longer than the rest of the start, in every process."""
    pytest.importorskip("pandas")
    write_peptides(tmp_path / "in.csv", SynthOptions(60, 1))
    code = (
        "import sys; from pepland_data import build, BuildOptions, FeaturizeOptions;"
        "options = FeaturizeOptions(input_format='sequence');"
        "[build(sys.argv[1], sys.argv[2] + str(workers), BuildOptions(options, workers=workers,"
        " rows_per_shard=20)) for workers in (1, 2)];"
        "print(*sorted({'pandas', 'scipy', 'torch', 'dgl'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "in.csv"), str(tmp_path / "out")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
