"""Whatever stands in the files of an unfinished build: it is resumed, or refused in a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("rdkit")

from hypothesis import given, settings
from hypothesis import strategies as st

from pepland_data import BuildOptions, FeaturizeOptions, build
from pepland_data.builder import local_build
from pepland_data.errors import BuildError, StoreDamagedError
from pepland_data.files.folder_lock import BuildLock
from pepland_data.store.verify import verify
from tests.helpers.json_mutation import mutated
from tests.helpers.stores import write_csv

OPTIONS = BuildOptions(FeaturizeOptions(), rows_per_shard=6)
FUZZ = settings(deadline=None, max_examples=12, derandomize=True)


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an input, and ``half``, a build of it that ended early."""
    folder = tmp_path_factory.mktemp("unfinished")
    source = write_csv(folder / "in.csv", 12, (3,))

    def stop(*_: object) -> None:
        raise BuildError("stopped")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_build, "commit", stop)
        with pytest.raises(BuildError, match="stopped"):
            build(source, folder / "half", OPTIONS)
    return folder


def resume(unfinished: Path, out: Path) -> str:
    """Resume a copy of the build; return the error, or '' if there is a sound store."""
    try:
        build(unfinished / "in.csv", out, OPTIONS)
    except (BuildError, StoreDamagedError) as error:
        return str(error)
    assert verify(out).sound
    return ""


@pytest.mark.parametrize("file", ["plan.json", "000001/done.json"])
@FUZZ
@given(data=st.data())
def test_a_build_with_any_record_is_resumed_or_refused_in_a_sentence(
    unfinished: Path, tmp_path_factory: pytest.TempPathFactory, file: str, data: st.DataObject
) -> None:
    out = tmp_path_factory.mktemp("resumed") / "out"
    shutil.copytree(unfinished / "half", out)
    record = out / ".build" / file
    record.write_text(json.dumps(data.draw(mutated(json.loads(record.read_bytes())))))
    assert len(resume(unfinished, out).splitlines()) <= 1


@pytest.mark.parametrize("text", ["", "[]", "\xff", "[" * 100_000, '{"options": {"cut": NaN}}'])
def test_a_damaged_recipe_names_its_file_and_the_remedy(
    unfinished: Path, tmp_path: Path, text: str
) -> None:
    shutil.copytree(unfinished / "half", tmp_path / "out")
    (tmp_path / "out/.build/plan.json").write_text(text, encoding="latin-1")
    said = resume(unfinished, tmp_path / "out")
    assert "plan.json is damaged" in said
    assert "delete the unfinished build" in said


@pytest.mark.parametrize(
    "change", [{"graphs": 3}, {"column_kinds": {}}, {"column_kinds": {"id": "int"}}]
)
def test_chunks_that_are_not_what_their_records_say_are_found(
    unfinished: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    shutil.copytree(unfinished / "half", tmp_path / "out")
    for record in (tmp_path / "out/.build").glob("*/done.json"):
        record.write_text(json.dumps(json.loads(record.read_bytes()) | change))
    assert "done.json cannot be read" in resume(unfinished, tmp_path / "out")


def test_a_lock_that_is_nested_deeply_is_free(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("[" * 4096)
    with BuildLock(tmp_path):
        assert (tmp_path / "lock").exists()
