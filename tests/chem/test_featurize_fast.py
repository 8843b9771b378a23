"""The fast path gives the graphs of the plain path and of the oracle."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, rdBase

from pepland_data import FeaturizeOptions, Featurizer, InvalidMoleculeError
from pepland_data.chem import featurizer
from pepland_data.chem.fast.rdkit_records import layout_is_known, read_rdkit_records
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.graph.heterograph import HeteroGraph
from tests.helpers import oracle
from tests.helpers.odd_molecules import odd_molecules


def dense_graphs(converted: featurizer.Converted, texts: list[str]) -> dict[str, dict]:
    """Return every graph of a conversion as dense arrays, by text."""
    return {
        texts[position]: HeteroGraph("", converted.tables, converted.columns.take([i])).dense()
        for i, position in enumerate(converted.kept)
    }


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray], text: str) -> None:
    for name, expected in other.items():
        np.testing.assert_array_equal(one[name], expected, err_msg=f"{text} {name}")


def check_against_oracle(texts: list[str], cut: str) -> int:
    """Convert twice, the second time with known pieces; return how many texts have a graph."""
    featurizer = Featurizer(FeaturizeOptions(cut=cut))
    first, second = featurizer.convert(texts), featurizer.convert(texts)
    assert_same(vars(first.columns), vars(second.columns), "columns")
    graphs = dense_graphs(second, texts)
    with RdkitMessages():
        for text, graph in graphs.items():
            assert_same(graph, oracle.dense(text, cut), text)
    return len(graphs)


def test_this_rdkit_writes_records_in_the_known_layout() -> None:
    assert layout_is_known()


def test_helm_that_rdkit_reads_takes_the_fast_path_with_the_same_graphs() -> None:
    texts = ["PEPTIDE1{A.C.[dF].W.C}$PEPTIDE1,PEPTIDE1,2:R3-5:R3$$$", "PEPTIDE1{[ac].G.P}$$$$"]
    options = FeaturizeOptions(input_format="helm")
    fast, plain = Featurizer(options), Featurizer(options, fast=False)
    graphs, wanted = (dense_graphs(f.convert(texts), texts) for f in (fast, plain))
    for text in texts:
        assert_same(graphs[text], wanted[text], text)
    assert fast.cache_counts["asked"] > 0 == plain.cache_counts["asked"]


@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
@pytest.mark.parametrize("seed", [1, 2])
def test_odd_molecules_have_the_graphs_of_the_oracle(cut: str, seed: int) -> None:
    texts = odd_molecules(150, seed)
    made = check_against_oracle(texts, cut)
    assert made > 0.9 * len(set(texts))


@pytest.mark.slow
@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
@pytest.mark.parametrize("seed", range(10, 20))
def test_thousands_of_odd_molecules_have_the_graphs_of_the_oracle(cut: str, seed: int) -> None:
    check_against_oracle(odd_molecules(1000, seed), cut)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["canonical", "noncanonical", "binding"])
def test_every_peptide_of_the_corpora_has_the_graph_of_the_oracle(
    shared_dir: Path, name: str
) -> None:
    with (shared_dir / "data" / f"{name}.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    column = next(key for key in rows[0] if "smiles" in key.lower())
    texts = list(dict.fromkeys(row[column] for row in rows))
    for cut in ("adafrag", "amiibo"):
        assert check_against_oracle(texts, cut) >= len(texts) - 1


def test_fast_and_plain_path_agree_on_graphs_and_on_rejects() -> None:
    texts = [*odd_molecules(60, 3), "", "C1CC", "*CC(=O)NC", "F[P@TB1](F)(F)(Cl)Br", "CCO"]
    fast, plain = (Featurizer(fast=which).convert(texts) for which in (True, False))
    assert [(r.position, r.stage, r.reason) for r in fast.rejects] == [
        (r.position, r.stage, r.reason) for r in plain.rejects
    ]
    np.testing.assert_array_equal(fast.kept, plain.kept)
    one, other = dense_graphs(fast, texts), dense_graphs(plain, texts)
    for text in one:
        assert_same(one[text], other[text], text)


def test_a_molecule_that_cannot_be_cut_does_not_affect_its_batch() -> None:
    made = Featurizer().convert(["CCO", "O=C1NC=Cc2ccccc12.O=c1ccn(C)cc1", "NCC(=O)NCC(=O)O"] * 3)
    assert len(made.columns) + len(made.rejects) == 9
    assert {0, 2, 3, 5, 6, 8} <= set(made.kept.tolist())


def test_molecules_whose_records_are_unusual_take_the_plain_path() -> None:
    texts = ["CC(=O)NC", "C[C@H:300](N)C(=O)NC", "CCO"]
    assert read_rdkit_records(Chem.MolFromSmiles(texts[1])) is None
    graphs = dense_graphs(Featurizer().convert(texts), texts)
    for text in texts:
        assert_same(graphs[text], oracle.dense(text, "adafrag"), text)


def test_a_cache_that_is_emptied_changes_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = odd_molecules(80, 4)
    monkeypatch.setattr("pepland_data.chem.fast.piece_cache.MAX_KEY_BYTES", 2000)
    monkeypatch.setattr("pepland_data.chem.featurizer.BATCH", 8)
    featurizer = Featurizer()
    graphs = dense_graphs(featurizer.convert(texts), texts)
    assert featurizer.cache_counts["emptied"] > 0
    for text in graphs:
        assert_same(graphs[text], oracle.dense(text, "adafrag"), text)


def test_a_piece_that_is_repeated_in_its_batch_counts_as_known() -> None:
    featurizer = Featurizer()
    featurizer.convert(["NCC(=O)NCC(=O)NCC(=O)O"] * 50)
    first = featurizer.cache_counts
    assert first["asked"] == 250
    assert first["known"] == 250 - first["kept"]
    assert first["known"] > 240
    featurizer.convert(["NCC(=O)NCC(=O)NCC(=O)O"] * 50)
    assert featurizer.cache_counts["known"] == first["known"] + 250


def test_messages_of_rdkit_explain_rejects_and_its_warnings_are_collected(
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = Featurizer().convert(["CC(C)(C)(C)C", "C1CC", "xx", "F/C(\\Cl)=C/C/C=C"])
    reasons = [reject.reason for reject in made.rejects]
    assert "Explicit valence for atom # 1 C, 5" in reasons[0]
    assert "unclosed ring" in reasons[1]
    assert "syntax error around position 1" in reasons[2]
    assert made.warnings[0][0] == 3
    assert "Conflicting single bond" in made.warnings[0][1]
    assert capfd.readouterr() == ("", "")


def test_a_log_that_the_user_disabled_stays_disabled() -> None:
    rdBase.DisableLog("rdApp.error")
    try:
        Featurizer().convert(["C1CC"])
        assert "rdApp.error:disabled" in rdBase.LogStatus()
    finally:
        rdBase.EnableLog("rdApp.error")


def test_featurize_raises_an_error_for_an_unreadable_text() -> None:
    with pytest.raises(InvalidMoleculeError, match="unclosed ring"):
        Featurizer().featurize("C1CC")
