"""Splits: nearly identical peptides stay together; splits are recorded, read back and checked."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

from pepland_data import BuildOptions, FeaturizeOptions, GraphLoader, build, open_store
from pepland_data.chem.notation.monomers import NATURAL, peptide
from pepland_data.errors import InputError, StoreDamagedError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_data.inputs.synthetic import SynthOptions, peptides
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import open_split, write_split
from pepland_data.store.split.similar_groups import similar_groups
from pepland_model.run.config import DataConfig
from pepland_model.run.run_stores import open_source
from pepland_model.train.train_data import describe
from tests.helpers.commands import cli


def store_of(folder: Path, texts: list[str]) -> Path:
    lines = [f"{t},{'abc'[i % 3]}\n" for i, t in enumerate(texts)]
    (folder / "in.csv").write_text("smiles,kind\n" + "".join(lines))
    build(folder / "in.csv", folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def random_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = peptides(SynthOptions(150, 2, min_length=9))
    return store_of(tmp_path_factory.mktemp("split"), [m.text("smiles") for m in made])


@pytest.mark.parametrize("cyclic", [False, True])
def test_one_residue_replaced_inserted_or_deleted_anywhere_stays_in_the_group(
    tmp_path: Path, cyclic: bool
) -> None:
    rng = np.random.default_rng(0)
    base = list("RKWDLFGHEVYQ")
    texts = [peptide(base, cyclic=cyclic), peptide(list("AAGGTTSSAAVV"), cyclic=cyclic)]
    for place in range(12):
        new = str(rng.choice([n for n in NATURAL if n != base[place]]))
        for other in (
            [*base[:place], new, *base[place + 1 :]],
            [*base[:place], new, *base[place:]],
            base[:place] + base[place + 1 :],
        ):
            texts.append(peptide(other, cyclic=cyclic))
    groups = similar_groups(open_store(store_of(tmp_path, texts)))
    assert [i for i, g in enumerate(groups) if g != 0] == [1]


@pytest.mark.parametrize("end", ["N", "C"])
def test_a_residue_that_only_one_has_at_its_end_stays_in_the_group(
    tmp_path: Path, end: str
) -> None:
    """Proline is bound twice to its amide; asparagine ends in an amide of its own."""
    random, rows = Random(3), []
    for last in "ANQPKWG":
        for more in "NQPCGR":
            core = "".join(random.choices("KAFLVDEMQRST", k=9))
            rows += (
                [core + last, core + last + more]
                if end == "C"
                else [last + core, more + last + core]
            )
    (tmp_path / "in.csv").write_text("\n".join(["sequence", *rows]) + "\n")
    options = BuildOptions(FeaturizeOptions(input_format="sequence"))
    build(tmp_path / "in.csv", tmp_path / "out", options)
    groups = similar_groups(open_store(tmp_path / "out"))
    assert groups.tolist() == [i // 2 * 2 for i in range(len(rows))]


def test_unrelated_peptides_are_not_joined(random_store: Path) -> None:
    assert len(np.unique(similar_groups(open_store(random_store)))) >= 145


@pytest.mark.parametrize("method", ["random", "similarity", "scaffold", "group"])
def test_every_graph_is_in_one_set_and_the_same_each_time(small_store, method: str) -> None:
    shares = {"train": 0.6, "test": 0.4}
    one, two = (make_split(small_store, method, shares, 3, column="length") for _ in range(2))
    np.testing.assert_array_equal(one.assignment, two.assignment)
    assert sum(one.counts().values()) == len(small_store)
    assert all(one.counts().values())
    if method == "group":
        lengths = small_store.columns["length"]
        assert not set(lengths[one.rows("train")]) & set(lengths[one.rows("test")])


def test_the_loader_takes_a_recorded_split_and_damage_is_found(
    random_store: Path,
) -> None:
    done = cli("split", str(random_store), "--by", "similarity", "--json")
    assert sum(json.loads(done.stdout)["sets"].values()) == 150
    store = open_store(random_store)
    rows = open_split(store).rows("train")
    loader = GraphLoader(store, batch_size=50, subset=rows)
    assert sorted(np.concatenate([b.graph_index.numpy() for b in loader])) == rows.tolist()
    path = random_store / "splits/default.json"
    path.write_bytes(path.read_bytes().replace(b"00", b"01", 1))
    with pytest.raises(StoreDamagedError):
        open_split(store)


def test_columns_and_files_name_the_sets(random_store: Path, tmp_path: Path) -> None:
    store = open_store(random_store)
    assert make_split(store, "column", column="kind").counts() == {"a": 50, "b": 50, "c": 50}
    (tmp_path / "s.csv").write_text("row_id,set\n0,val\n5,train\n")
    split = make_split(store, "file", file=tmp_path / "s.csv", name="f")
    write_split(store, split)
    assert open_split(store, "f").counts() == {"train": 1, "valid": 1}
    for flags in ({"method": "column", "column": "no"}, {"fractions": {"train": 0.5}}):
        with pytest.raises(InputError):
            make_split(store, **flags)  # type: ignore[arg-type]


def test_a_run_trains_on_the_recorded_split_and_info_shows_it(tmp_path: Path) -> None:
    path = store_of(tmp_path, [m.text("smiles") for m in peptides(SynthOptions(30, 4))])
    store = open_store(path)
    assert open_source(str(path), DataConfig()).split == "drawn"
    write_split(store, make_split(store, "similarity", {"train": 0.5, "valid": 0.3, "test": 0.2}))
    source, split = open_source(str(path), DataConfig()), open_split(store)
    np.testing.assert_array_equal(source.rows, split.rows("train"))
    np.testing.assert_array_equal(source.valid_rows, split.rows("valid"))
    assert "by similarity, recorded" in describe([source], Vocabulary(("C",)), 1, "tier")["split"]
    (shown,) = json.loads(cli("info", str(path), "--json").stdout)["splits"]
    assert shown["sets"] == split.counts()
    write_split(store, make_split(store, "random", {"train": 0.8, "test": 0.2}))
    source = open_source(str(path), DataConfig(valid_fraction=0.2))
    used = {*source.rows.tolist(), *source.valid_rows.tolist()}
    assert used == set(open_split(store).rows("train").tolist())
