"""The benchmark of featurizers finds the peers of each environment and measures each once."""

import sys

import pytest

from benchmarks import bench_featurize
from benchmarks.common.peers_featurize import PEERS

TEXTS = ["NCC(=O)NCC(=O)O", "C[C@H](N)C(=O)O"]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment with RDKit and a small package `ogb`; real peers take seconds to import."""
    for name in PEERS.keys() - {"rdkit", "ogb"}:
        (tmp_path / f"{name}.py").write_text("raise ImportError\n")
    (tmp_path / "ogb").mkdir()
    (tmp_path / "ogb/utils.py").write_text("smiles2graph = len\n")
    (tmp_path / "ogb-9.dist-info").mkdir()
    (tmp_path / "ogb-9.dist-info/METADATA").write_text("Name: ogb\nVersion: 9\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return sys.executable


def test_peers_of_several_environments_are_measured_once_each(environment):
    both = [environment, environment]
    with bench_featurize.peer_processes(both, TEXTS) as (versions, asks):
        assert versions.keys() == asks.keys() == {"rdkit", "ogb"}
        assert versions["ogb"] == "9"
        assert len({id(ask) for ask in asks.values()}) == 1
        assert all(asks[name](name) > 0 for name in versions)
    with bench_featurize.peer_processes([], TEXTS) as found:
        assert found == ({}, {})


def test_every_peer_has_a_name_on_the_chart():
    assert PEERS.keys() - {"rdkit"} <= bench_featurize.LABELS.keys()
