"""The numbers of a report, against plain counting."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from pepland_data import BuildOptions, FeaturizeOptions, Vocabulary, build, open_store
from pepland_data.report.counting.columns import label_numbers, reject_numbers
from pepland_data.report.counting.drift import distance, drift_numbers, largest_difference
from pepland_data.report.counting.fragments import fragment_numbers
from pepland_data.report.counting.leakage import leakage_numbers
from pepland_data.report.counting.residues import residue_numbers, residues_of
from pepland_data.report.counting.rows import some_rows, values_at
from pepland_data.report.counting.similarity import near_duplicates, nearest
from pepland_data.report.counting.sizes import shapes, tally
from pepland_data.report.numbers import build_options, store_numbers
from pepland_data.store.split.recorded import open_split
from tests.report.conftest import BAD, BRIDGED, CYCLIC, MIRRORED, PEPTIDES, write_peptides

TEXTS = [row[0] for row in PEPTIDES]
RESIDUES = [
    list("ACDEFGHIK"), list("LLLLWWWW"), list("AGFKL"), list("MNPQRST"), list("ACDEFGHIR"),
    list("LLLLWWWW"), list("CYIQNCPLG"), ["A", "[dF]", "G", "[meA]"],
]  # fmt: skip


def rows_of(store):
    return np.arange(len(store))


def fragments_of(store):
    """Return how often each peptide has each fragment, one graph at a time."""
    return [Counter(map(str, graph.dense()["fragment_smiles"])) for graph in store]


def jaccard(a, b):
    names = a.keys() | b.keys()
    return sum(min(a[n], b[n]) for n in names) / sum(max(a[n], b[n]) for n in names)


def test_some_rows_are_few_ascending_and_the_same_each_time() -> None:
    chosen = some_rows(np.arange(100, 1000), 50)
    assert len(set(chosen.tolist())) == 50
    assert (np.diff(chosen) > 0).all()
    assert chosen.min() >= 100
    assert (chosen == some_rows(np.arange(100, 1000), 50)).all()
    assert some_rows(np.arange(7), 7).tolist() == list(range(7))


def test_values_of_rows_come_from_all_shards_in_order(peptides) -> None:
    rows = np.array([0, 2, 3, 7])
    assert values_at(peptides, rows) == [TEXTS[row] for row in rows]
    assert values_at(peptides, rows, "affinity") == [PEPTIDES[row][1] for row in rows]


def test_a_tally_counts_each_size() -> None:
    sizes = [3, 5, 3, 9, 3]
    found = tally(sizes)
    assert dict(zip(found["values"], found["counts"], strict=True)) == Counter(sizes)
    assert (found["mean"], found["median"], found["max"]) == (4.6, 3.0, 9)
    assert tally([]) == {}


def test_rings_disulfides_and_pieces_of_known_peptides(peptides) -> None:
    found = shapes(peptides, rows_of(peptides))
    assert found.cyclic.tolist() == [text == CYCLIC for text in TEXTS]
    assert found.bridged.tolist() == [text == BRIDGED for text in TEXTS]
    caps = [3 if text == MIRRORED else 0 for text in TEXTS]  # acetyl, methyl at nitrogen
    plain = [len(residues) for residues in RESIDUES]
    assert found.pieces.tolist()[:5] == plain[:5]
    assert plain[7] < found.pieces[7] <= plain[7] + caps[7]


def test_a_bridged_ring_is_both_and_a_branch_is_neither(tmp_path) -> None:
    both = "PEPTIDE1{C.A.G.C.F}$PEPTIDE1,PEPTIDE1,1:R3-4:R3|PEPTIDE1,PEPTIDE1,5:R2-1:R1$$$"
    stapled = "PEPTIDE1{A.K.G.F.E.A}$PEPTIDE1,PEPTIDE1,2:R3-5:R3$$$"
    branched = "PEPTIDE1{A.K.G}|PEPTIDE2{G.F}$PEPTIDE1,PEPTIDE2,2:R3-2:R2$$$"
    rows = [(text, 0, "", "") for text in (both, stapled, branched, "PPPP")]
    source = write_peptides(tmp_path / "in.csv", rows, bad=0)
    options = BuildOptions(FeaturizeOptions(input_format="auto"), smiles_column="peptide")
    build(source, tmp_path / "store", options)
    found = shapes(open_store(tmp_path / "store"), np.arange(4))
    assert found.cyclic.tolist() == [True, True, False, False]
    assert found.bridged.tolist() == [True, False, False, False]


def test_residues_are_those_of_the_texts(peptides) -> None:
    found = residue_numbers(peptides, rows_of(peptides), build_options(peptides))
    counts = Counter(residue for residues in RESIDUES for residue in residues)
    assert {one["residue"]: one["count"] for one in found["composition"]} == counts
    assert found["lengths"] == tally([len(residues) for residues in RESIDUES])
    assert found["other_residue_share"] == 2 / counts.total()
    assert found["other_peptide_share"] == 1 / len(TEXTS)
    assert (found["with_helm"], found["no_helm"]) == (len(TEXTS), [])


def test_residues_of_helm_leave_out_caps_and_keep_what_the_text_defines() -> None:
    known = {"A": True, "[ac]": False, "[dF]": True}
    in_line = "[O=C([*:2])[C@H](C[C@@H](F)F)N[*:1]]"
    cap = "[CCC(=O)[*:2]]"
    helm = f"PEPTIDE1{{[ac].A.{in_line}.[dF]}}|PEPTIDE2{{{cap}.A}}|CHEM1{{[*:1]C}}$$$$"
    assert residues_of(helm, known) == ["A", in_line, "[dF]", "A"]


def test_fragments_and_their_curve_are_those_of_single_graphs(peptides) -> None:
    single = fragments_of(peptides)
    total = sum(single, Counter())
    names = sorted(total, key=lambda name: (-total[name], name))
    found = fragment_numbers(peptides, Vocabulary(tuple(names[:5])))
    assert [one["smiles"] for one in found["most_frequent"]] == names[:24]
    assert [one["smiles"] for one in found["unknown"]] == names[5:29]
    for point in found["curve"]:
        first = set(names[: point["k"]])
        covered = sum(count for name, count in total.items() if name in first)
        assert point["fragment_share"] == pytest.approx(covered / total.total())
        whole = sum(first.issuperset(one) for one in single)
        assert point["peptide_share"] == pytest.approx(whole / len(single))
    five = set(names[:5])
    known = found["vocabulary"]
    assert known["fragment_share"] == pytest.approx(
        sum(total[name] for name in five) / total.total()
    )
    assert known["peptide_share"] == sum(five.issuperset(one) for one in single) / len(single)


def test_fragments_that_only_a_vocabulary_has_change_nothing(peptides) -> None:
    found = fragment_numbers(peptides, Vocabulary(("[Xe]", "NC=O")))
    assert found["vocabulary"]["unknown"] == found["distinct"] - 1


def test_the_nearest_peptide_is_that_of_all_comparisons(small_store) -> None:
    rows = np.arange(1, len(small_store), 3)
    others = np.setdiff1d(np.arange(len(small_store)), rows)
    single = fragments_of(small_store)
    expected = [max(jaccard(single[a], single[b]) for b in others) for a in rows]
    np.testing.assert_allclose(nearest(small_store, rows, others), expected, rtol=1e-6)


def test_near_duplicates_are_one_residue_apart(peptides) -> None:
    near, same = near_duplicates(peptides, np.arange(4, 8), np.arange(4))
    assert near.tolist() == [0, 1, -1, -1]
    assert same.tolist() == [-1, 1, -1, -1]


def test_what_leaks_into_a_set_is_counted_once(peptides) -> None:
    found = leakage_numbers(peptides, open_split(peptides))
    assert (found["train"], found["sets"]) == ("train", {"test": 4, "train": 4})
    (test,) = found["sets_compared"]
    assert (test["peptides"], test["near_duplicates"], test["duplicates"]) == (4, 2, 1)
    assert sum(test["counts"]) == 4
    assert test["counts"][-1] >= 1
    first = test["examples"][0]
    assert (first["text"], first["train_text"]) == (TEXTS[4], TEXTS[0])
    assert (first["row_id"], first["train_row_id"]) == (4, 0)


def test_distances_are_those_of_scipy(peptides, small_store) -> None:
    counts = [sum(fragments_of(store), Counter()) for store in (peptides, small_store)]
    names = sorted(counts[0] | counts[1])
    p, q = ([count[name] / count.total() for name in names] for count in counts)
    assert distance(*counts) == pytest.approx(jensenshannon(p, q, base=2))
    assert distance(counts[0], {}) is None
    atoms = [store.num_atoms for store in (peptides, small_store)]
    expected = ks_2samp(*atoms).statistic
    assert largest_difference(*map(tally, atoms)) == pytest.approx(expected)


def test_a_store_does_not_drift_from_itself(peptides) -> None:
    about = store_numbers(peptides, None, None)
    found = drift_numbers(peptides, peptides, (about, about))
    assert set(found["largest_difference"].values()) == {0.0}
    assert (found["fragment_distance"], found["residue_distance"]) == (0.0, 0.0)
    assert found["fragments_only_first"] == found["fragments_only_second"] == 0
    assert found["peptides"] == {
        "compared": 8, "searched": 8, "near_duplicates": 8, "duplicates": 8
    }  # fmt: skip


def test_labels_are_counted_by_set_and_a_column_of_sets_is_none(peptides) -> None:
    found = label_numbers(peptides, open_split(peptides))
    affinity, group = found["columns"]
    assert [one["name"] for one in found["columns"]] == ["affinity", "group"]
    for name, part in affinity["sets"].items():
        values = [row[1] for row in PEPTIDES if row[3] == name]
        assert part["mean"] == pytest.approx(np.mean(values))
        assert sum(part["counts"]) == len(values)
    for name, part in group["sets"].items():
        counts = Counter(row[2] for row in PEPTIDES if row[3] == name)
        assert dict(zip(group["classes"], part["counts"], strict=True)) == counts
    (alone,) = label_numbers(peptides, None)["columns"][0]["sets"].values()
    assert sum(alone["counts"]) == len(PEPTIDES)


def test_rejects_are_grouped_by_reason_without_details(peptides) -> None:
    (found,) = reject_numbers(peptides)
    assert found["count"] == 1
    assert found["examples"][0]["text"] == BAD
    assert found["examples"][0]["row_id"] == len(PEPTIDES)
