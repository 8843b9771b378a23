"""The benchmark of featurizers asks each environment for what it has, and counts nothing twice."""

import sys

from benchmarks import bench_featurize
from benchmarks.peers_featurize import PEERS

TEXTS = ["NCC(=O)NCC(=O)O", "C[C@H](N)C(=O)O"]


def test_peers_of_several_environments_are_measured_once_each():
    both = [sys.executable, sys.executable]
    with bench_featurize.peer_processes(both, TEXTS) as (versions, asks):
        assert "rdkit" in versions
        assert versions.keys() == asks.keys()
        assert versions.keys() <= PEERS.keys()
        assert len({id(ask) for ask in asks.values()}) == 1
        assert all(asks[name](name) > 0 for name in versions)
    with bench_featurize.peer_processes([], TEXTS) as found:
        assert found == ({}, {})


def test_every_peer_has_a_name_on_the_chart():
    assert PEERS.keys() - {"rdkit"} <= bench_featurize.LABELS.keys()
