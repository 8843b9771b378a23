"""A store without the peptides of other files: the rest is unchanged, and every row is told why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from pepland_data.builder import exclude as exclude_module
from pepland_data.builder.convert_format import convert
from pepland_data.builder.exclude import exclude
from pepland_data.builder.merge import merge
from pepland_data.chem.notation.monomers import peptide
from pepland_data.errors import BuildError, InputError
from pepland_data.files.atomic import file_sha256
from pepland_data.graph.columns import GROUPS
from pepland_data.inputs.part import Part
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.identity_groups import identity_groups
from pepland_data.store.split.near_rows import KeyIndex, near_rows
from pepland_data.store.split.similar_groups import similar_groups
from pepland_data.store.verify import verify
from tests.helpers.commands import cli
from tests.helpers.monomer_files import MOLECULES, write_library
from tests.helpers.stores import BAD_ROWS, built_store, files_of, sixty_smiles, write_csv
from tests.store.test_identity_groups import distance, family

AUTO = BuildOptions(FeaturizeOptions(input_format="auto"))


def texts_file(path: Path, texts: list[str], column: str = "smiles") -> Path:
    path.write_text("\n".join([column, *texts]) + "\n", encoding="utf-8")
    return path


def store_of(folder: Path, name: str, texts: list[str], **options: object) -> Path:
    featurize = FeaturizeOptions(**{"input_format": "auto", **options})  # type: ignore[arg-type]
    source = texts_file(folder / f"{name}.csv", texts, "text")
    build(source, folder / name, BuildOptions(featurize, smiles_column="text", rows_per_shard=7))
    return folder / name


def rewritten(smiles: str, seed: int) -> str:
    """Return the same molecule with its atoms in another order."""
    mol = Chem.MolFromSmiles(smiles)
    order = np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist()
    return str(Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False))


def reasons(path: Path) -> dict[int, str]:
    rejects = open_store(path).rejects
    return {r["row_id"]: r["reason"] for r in rejects if r["stage"] == "excluded"}


def assert_unchanged(new: GraphStore, old: GraphStore) -> None:
    """Every graph, text and column of the new store is that of the row with its number."""
    places = {row: place for place, row in enumerate(old.row_id.tolist())}
    for s in range(new.num_shards):
        data = new.shard(s)
        rows = [places[row] for row in data.row_id.tolist()]
        before = old.gather(rows)
        for group, names in GROUPS.items():
            for name in names:
                found, expected = getattr(data.columns, name), getattr(before, name)
                assert found.dtype == expected.dtype
                np.testing.assert_array_equal(found, expected)
            ptr = f"{group}_ptr"
            np.testing.assert_array_equal(getattr(data.columns, ptr), getattr(before, ptr))
        assert data.smiles.to_pylist() == [old.smiles[row] for row in rows]
        for name, values in data.extra.items():
            expected = old.columns[name][rows]
            np.testing.assert_array_equal(values.to_numpy(zero_copy_only=False), expected)
    assert new.tables.same_as(old.tables)


@pytest.fixture(scope="module")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_store(tmp_path_factory.mktemp("sixty"), "sixty", range(60))


@pytest.fixture(scope="module")
def like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows 0 to 6 and 30 in another order of atoms, after a row that is no SMILES."""
    texts = [rewritten(sixty_smiles()[i], i) for i in (0, 1, 2, 4, 5, 6, 30)]
    return texts_file(tmp_path_factory.mktemp("like") / "test.csv", ["nonsense", *texts])


@pytest.mark.parametrize("kind", ["arrow", "zarr"])
def test_the_other_graphs_are_copied_bit_for_bit(
    tmp_path: Path, sixty: Path, like: Path, kind: str
) -> None:
    source = sixty
    if kind == "zarr":
        pytest.importorskip("zarr")
        convert(sixty, source := tmp_path / "zarr", "zarr")
    report = exclude(source, [like], tmp_path / "out")
    old, new = open_store(sixty), open_store(tmp_path / "out")
    assert (report.graphs, report.same, report.near, report.excluded) == (45, 7, 0, 7)
    assert set(old.row_id.tolist()) - set(new.row_id.tolist()) == {0, 1, 2, 4, 5, 6, 30}
    assert_unchanged(new, old)
    assert new.num_shards == old.num_shards - 1  # nothing is left of the first one
    assert reasons(tmp_path / "out")[30] == "the molecule of row 7 of test.csv"
    assert verify(tmp_path / "out", semantic=60).sound


def test_both_kinds_of_store_give_the_same_bytes(tmp_path: Path, sixty: Path, like: Path) -> None:
    pytest.importorskip("zarr")
    convert(sixty, tmp_path / "zarr", "zarr")
    exclude(sixty, [like], tmp_path / "a")
    exclude(tmp_path / "zarr", [like], tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    convert(tmp_path / "a", tmp_path / "c", "zarr")
    convert(tmp_path / "c", tmp_path / "d", "arrow")
    assert files_of(tmp_path / "d") == files_of(tmp_path / "a")


def test_rejects_of_the_build_and_excluded_rows_stand_in_one_file(
    tmp_path: Path, sixty: Path, like: Path
) -> None:
    exclude(sixty, [like], tmp_path / "out")
    table = pq.read_table(tmp_path / "out/rejects.parquet").to_pydict()
    excluded = {0, 1, 2, 4, 5, 6, 30}
    assert table["row_id"] == sorted(BAD_ROWS | excluded)
    stages = dict(zip(table["row_id"], table["stage"], strict=True))
    assert {row for row, stage in stages.items() if stage == "excluded"} == excluded
    assert table["text"][0] == sixty_smiles()[0]


def test_a_molecule_is_found_in_any_notation_and_a_mirror_image_is_only_near(
    tmp_path: Path,
) -> None:
    sequence, helm = "ACDEFGHIKW", "PEPTIDE1{A.C.D.E.F.G.H.I.K.W}$$$$"
    mirrored = peptide(["dA", *"CDEFGHIKW"])
    path = store_of(tmp_path, "store", [sequence, helm, mirrored, "GGSTPPRMVLKY"])
    exclude(path, [store_of(tmp_path, "like", [peptide(list(sequence))])], tmp_path / "out")
    assert reasons(tmp_path / "out") == {
        0: "the molecule of row 0 of like", 1: "the molecule of row 0 of like",
        2: "near row 0 of like",
    }  # fmt: skip
    assert open_store(tmp_path / "out").row_id.tolist() == [3]


def test_equal_texts_that_are_read_in_another_way_are_other_molecules(tmp_path: Path) -> None:
    like = store_of(tmp_path, "like", ["CCC"], input_format="smiles")
    path = store_of(tmp_path, "store", ["CCC", "WWKW"], input_format="sequence")
    assert exclude(path, [like], tmp_path / "out").excluded == 0


def test_salts_and_charges_are_the_same_molecule_only_with_standardization(tmp_path: Path) -> None:
    acid, salt = "C[C@H](N)C(=O)NCC(=O)O", "C[C@H](N)C(=O)NCC(=O)[O-].[Na+]"
    like = texts_file(tmp_path / "test.csv", [acid])
    rest = peptide(list("WKRMLE"))
    plain = exclude(store_of(tmp_path, "a", [salt, rest]), [like], tmp_path / "x", reading=AUTO)
    assert plain.same == 0
    cleaned = store_of(tmp_path, "b", [salt, rest], standardize=True, input_format="smiles")
    assert (cleaned / "notes.parquet").exists()
    assert exclude(cleaned, [like], tmp_path / "y", reading=AUTO).same == 1
    assert not (tmp_path / "y/notes.parquet").exists()  # its only row is excluded
    assert verify(tmp_path / "y").sound


@pytest.mark.parametrize("threshold", [None, 0.9, 0.95])
def test_near_is_what_a_split_joins_without_a_third_peptide(
    tmp_path: Path, threshold: float | None
) -> None:
    names = family(int(100 * (threshold or 0)), threshold or 0.9)
    texts = [peptide(one) for one in names]
    base = list(range(0, len(names), 8))  # every second family
    rest = [i for i in range(len(names)) if i not in base]
    like = open_store(store_of(tmp_path, "like", [texts[i] for i in base]))
    store = open_store(store_of(tmp_path, "store", [texts[i] for i in rest]))
    first = near_rows(store, [like], threshold).first
    joined = open_store(store_of(tmp_path, "joined", texts))
    groups = similar_groups(joined) if threshold is None else identity_groups(joined, threshold)
    found = 0
    for place, i in enumerate(rest):
        together = [j for j in base if groups[i] == groups[j]]
        close = [j for j in base if _are_near(names[i], names[j], threshold)]
        if first[place] >= 0:
            assert base[first[place]] in together
        if close:
            assert first[place] >= 0
        found += first[place] >= 0
    assert 3 <= found < len(rest) / 2


def _are_near(a: list[str], b: list[str], threshold: float | None) -> bool:
    edits = distance(a, b)
    return edits <= 1 or bool(threshold and 1 - edits / max(len(a), len(b)) >= threshold - 1e-9)


def test_a_chain_of_near_peptides_does_not_exclude_its_end(tmp_path: Path) -> None:
    chain = ["ACDEFGHIKLMN", "ACDEWGHIKLMN", "ACDEWGHIRLMN"]
    assert set(similar_groups(open_store(store_of(tmp_path, "all", chain)))) == {0}
    like = texts_file(tmp_path / "test.csv", chain[:1], "sequence")
    exclude(store_of(tmp_path, "rest", chain[1:]), [like], tmp_path / "out", reading=AUTO)
    assert open_store(tmp_path / "out").smiles[:] == chain[2:]


def test_a_threshold_excludes_more_and_is_recorded(tmp_path: Path) -> None:
    base = "ACDEFGHIKLMNPQRSTVWY"
    path = store_of(tmp_path, "store", [base.replace("F", "W").replace("S", "G"), "GGKKWWRRGG"])
    like = texts_file(tmp_path / "test.csv", [base], "sequence")
    assert exclude(path, [like], tmp_path / "a", reading=AUTO).near == 0
    report = exclude(path, [like], tmp_path / "b", 0.9, AUTO)
    assert (report.near, report.threshold) == (1, 0.9)
    (record,) = open_store(tmp_path / "b").manifest.input["excluded"]
    assert record["threshold"] == 0.9


def test_an_index_of_keys_finds_all_rows_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pepland_data.store.split.near_rows.PAIRS_AT_ONCE", 5)
    rng = np.random.default_rng(0)
    keys, rows = rng.integers(0, 30, 80).astype(np.uint64), rng.integers(0, 20, 80)
    asked, owner = rng.integers(0, 40, 50).astype(np.uint64), rng.integers(0, 12, 50)
    index = KeyIndex(keys, rows)
    expected = {
        (a, b)
        for key, a in zip(asked.tolist(), owner.tolist(), strict=True)
        for other, b in zip(keys.tolist(), rows.tolist(), strict=True)
        if key == other
    }
    blocks = [list(zip(*map(np.ndarray.tolist, pair), strict=True))
              for pair in index.pairs(asked, owner)]  # fmt: skip
    assert {pair for block in blocks for pair in block} == expected
    assert len(blocks) > 1
    firsts = [min((b for a, b in expected if a == i), default=-1) for i in range(13)]
    assert index.first(asked, owner, 13).tolist() == firsts
    empty = KeyIndex(keys[:0], rows[:0])
    assert empty.first(asked, owner, 13).tolist() == [-1] * 13


def test_a_file_counts_for_what_the_files_before_it_left(tmp_path: Path, sixty: Path) -> None:
    texts = sixty_smiles()
    (tmp_path / "more").mkdir()
    first = texts_file(tmp_path / "test.csv", texts[:2])
    second = texts_file(tmp_path / "more/test.csv", [*texts[1:3], "nonsense"])
    report = exclude(sixty, [first, second], tmp_path / "out")
    counts = [(one.name, one.same, one.near, one.rows, one.rejects) for one in report.like]
    assert counts == [("test.csv", 2, 0, 2, 0), ("test.csv (2)", 1, 0, 3, 1)]
    assert reasons(tmp_path / "out")[2] == "the molecule of row 1 of test.csv (2)"


def test_the_manifest_names_files_without_folders_and_their_checksums(
    tmp_path: Path, sixty: Path, like: Path
) -> None:
    exclude(sixty, [like], tmp_path / "once")
    other = texts_file(tmp_path / "other.csv", [sixty_smiles()[8]])
    exclude(tmp_path / "once", [other], tmp_path / "twice")
    first, second = open_store(tmp_path / "twice").manifest.input["excluded"]
    assert [one["name"] for one in (*first["like"], *second["like"])] == ["test.csv", "other.csv"]
    assert first["like"][0]["sha256"] == file_sha256(like)
    counts = {name: first["like"][0][name] for name in ("rows", "rejects", "same", "near")}
    assert counts == {"rows": 8, "rejects": 1, "same": 7, "near": 0}
    assert first["threshold"] is None
    assert open_store(tmp_path / "twice").manifest.counts["rejects"] == len(BAD_ROWS) + 8


def test_a_merge_remembers_what_was_excluded_from_each_store(
    tmp_path: Path, sixty: Path, like: Path
) -> None:
    other = built_store(tmp_path, "other", range(8, 16))
    merge([exclude(sixty, [like], tmp_path / "a").path, other], tmp_path / "ab")
    exclude(tmp_path / "ab", [texts_file(tmp_path / "more.csv", [sixty_smiles()[9]])],
            tmp_path / "less")  # fmt: skip
    merge([tmp_path / "less", other], tmp_path / "all")
    parts = open_store(tmp_path / "all").manifest.input["parts"]
    names = [[one["like"][0]["name"] for one in part.get("excluded", [])] for part in parts]
    assert names == [["test.csv", "more.csv"], ["more.csv"], []]
    assert verify(tmp_path / "all").sound


def test_the_same_exclusion_again_has_nothing_to_do(
    tmp_path: Path, sixty: Path, like: Path
) -> None:
    report = exclude(sixty, [like], tmp_path / "out")
    before = files_of(tmp_path / "out")
    again = exclude(sixty, [like], tmp_path / "out")
    assert again.nothing_to_do
    assert not report.nothing_to_do
    assert (again.graphs, again.like) == (report.graphs, report.like)
    assert files_of(tmp_path / "out") == before
    for threshold, files in ((0.9, [like]), (None, [like, like])):
        with pytest.raises(BuildError, match="is there already"):
            exclude(sixty, files, tmp_path / "out", threshold)
    with pytest.raises(BuildError, match="is there already"):
        exclude(sixty, [like], sixty)


def test_an_interrupted_exclusion_starts_anew(
    tmp_path: Path, sixty: Path, like: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        (tmp_path / ".out.excluding/left").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exclude_module, "write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            exclude(sixty, [like], tmp_path / "out")
    assert not list(tmp_path.iterdir())
    (tmp_path / ".out.excluding/store").mkdir(parents=True)  # as left by a kill
    (tmp_path / ".out.excluding/like-0").mkdir()
    (tmp_path / ".out.excluding/like-0/half").write_bytes(b"half")
    exclude(sixty, [like], tmp_path / "out")
    exclude(sixty, [like], tmp_path / "plain")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "plain")
    assert {p.name for p in tmp_path.iterdir()} == {"out", "plain"}


def test_the_command_says_what_was_excluded_and_what_could_not_be_read(
    tmp_path: Path, sixty: Path, like: Path
) -> None:
    command = ["exclude", str(sixty), "--like", str(like), "--out", str(tmp_path / "out")]
    shown = cli(*command).stdout.decode()
    assert "45 of 52 peptides" in shown
    assert "7  the molecule of a row of test.csv" in shown
    assert "1 of 8 rows of test.csv cannot be read" in shown
    assert "nothing left to do" in cli(*command).stdout.decode()
    done = json.loads(cli(*command, "--json").stdout)
    assert (done["excluded"], done["same"], done["near"], done["nothing_to_do"]) == (7, 7, 0, True)
    assert done["like"][0]["rejects"] == 1
    none = texts_file(tmp_path / "none.csv", [peptide(list("WKWKWK"))])
    shown = cli("exclude", str(sixty), "--like", str(none), "--out", str(tmp_path / "all"))
    assert "nothing is excluded" in shown.stdout.decode()
    assert open_store(tmp_path / "all").rejects == open_store(sixty).rejects


def test_files_are_read_with_the_options_of_a_build(tmp_path: Path) -> None:
    path = store_of(tmp_path, "store", ["ACDEFGH", "WWKKRRW"])
    (tmp_path / "two.csv").write_text("odd,smiles\nWWKKRRW,CCO\n")
    flags = ["--like", str(tmp_path / "two.csv"), "--out"]
    done = cli("exclude", str(path), *flags, str(tmp_path / "a"), "--json")
    assert json.loads(done.stdout)["same"] == 0
    named = ["--smiles-column", "odd", "--input-format", "sequence"]
    done = cli("exclude", str(path), *flags, str(tmp_path / "b"), *named, "--json")
    assert json.loads(done.stdout)["same"] == 1
    assert cli("exclude", str(path), *flags, str(tmp_path / "a"), *named).returncode == 1


def test_what_cannot_be_compared_is_refused_by_name(tmp_path: Path, sixty: Path) -> None:
    texts = [t for i, t in enumerate(sixty_smiles()) if i not in BAD_ROWS]
    out = tmp_path / "out"
    for like, message in (
        (texts_file(tmp_path / "bad.csv", ["no(", "none("]), "no row of .*bad.csv can be read"),
        (texts_file(tmp_path / "all.csv", texts), "nothing is left"),
        (tmp_path / "missing.csv", "missing.csv"),
        (store_of(tmp_path, "other", texts[:2], cut="amiibo"), "has cut 'amiibo'"),
        (store_of(tmp_path, "clean", texts[:2], standardize=True), "has standardize True"),
    ):
        with pytest.raises((InputError, BuildError), match=message):
            exclude(sixty, [like], out)
    build(write_csv(tmp_path / "in.csv"), tmp_path / "part",
          BuildOptions(rows_per_shard=10, part=Part(1, 2)))  # fmt: skip
    with pytest.raises(InputError, match="merge the parts first"):
        exclude(tmp_path / "part", [tmp_path / "in.csv"], out)
    with pytest.raises(InputError, match=r"identity from 0\.9 to 1"):
        exclude(sixty, [texts_file(tmp_path / "two.csv", texts[:2])], out, threshold=0.5)
    with pytest.raises(InputError, match="name one or more files"):
        exclude(sixty, [], out)
    assert not out.exists()
    assert not list(tmp_path.glob(".*.excluding"))


def test_a_store_with_monomers_needs_the_same_files(tmp_path: Path) -> None:
    library = write_library(tmp_path / "mine.csv")
    helm, smiles = next(iter(MOLECULES.items()))
    source = texts_file(tmp_path / "helm.csv", [helm, "PEPTIDE1{W.W.K.R.M}$$$$"], "helm")
    made = cli("build", str(source), "--out", str(tmp_path / "s"), "--monomers", str(library))
    assert made.returncode == 0
    like = texts_file(tmp_path / "test.csv", [smiles])
    command = ["exclude", str(tmp_path / "s"), "--like", str(like), "--out", str(tmp_path / "out")]
    refused = cli(*command)
    assert refused.returncode == 1
    assert b"--monomers" in refused.stderr
    done = json.loads(cli(*command, "--monomers", str(library), "--json").stdout)
    assert (done["same"], done["graphs"]) == (1, 1)
