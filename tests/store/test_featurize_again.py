"""Graphs made again from their texts: equal in a sound store, told apart in another."""

from __future__ import annotations

from pathlib import Path

import pytest

from pepland_data import open_store
from pepland_data.chem import featurizer
from pepland_data.errors import InvalidMoleculeError
from pepland_data.store.featurize_again import semantic_faults
from tests.helpers.stores import built_store


def test_a_sound_store_means_what_it_says(tmp_path: Path) -> None:
    store = open_store(built_store(tmp_path, "store", range(16)))
    assert semantic_faults(store, 5) == (5, [])
    assert semantic_faults(store, 500) == (15, [])


def test_a_graph_that_differs_or_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(built_store(tmp_path, "store", range(3)))
    other = featurizer.featurize("NCC(=O)O")
    monkeypatch.setattr(featurizer.Featurizer, "featurize", lambda self, text: other)
    assert len(semantic_faults(store, 3)[1]) == 3

    def refuse(self: object, text: str) -> None:
        raise InvalidMoleculeError(text, "parse", "gone")

    monkeypatch.setattr(featurizer.Featurizer, "featurize", refuse)
    assert "gives no graph now" in semantic_faults(store, 1)[1][0]
