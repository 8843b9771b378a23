"""Graphs, rejects and notes depend on the texts and the options, not on the process."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rdkit import Chem, rdBase

from pepland_data import FeaturizeOptions, Featurizer
from pepland_data.chem import plain_path
from pepland_data.chem.conversion import Converted
from pepland_data.chem.cuts import brics_bonds, piece_smiles
from pepland_data.chem.features import fragment_row
from pepland_data.chem.rdkit_messages import DEFAULTS, set_switches
from pepland_data.graph.heterograph import HeteroGraph
from tests.helpers.odd_molecules import odd_molecules
from tests.helpers.ugly_corpus import SPOKEN_OF

OPTIONS = FeaturizeOptions(input_format="auto", standardize=True, dedup=True)
TEXTS = [*SPOKEN_OF, *odd_molecules(60, 3), "Cl[Pt@OH1](F)(Br)(I)(C)N", "S[As@TB1](F)(Cl)(Br)*"]
LOGGER = logging.getLogger("rdkit")


def answers(done: Converted, texts: list[str], order: list[int]) -> dict[int, list[Any]]:
    """Return everything that is said about each text, by its number."""
    said: dict[int, list[Any]] = {}
    for place, position in enumerate(done.kept.tolist()):
        graph = HeteroGraph(texts[position], done.tables, done.columns.slice(place, place + 1))
        said[order[position]] = [graph, done.identity[place].tobytes()]
    for reject in done.rejects:
        said[order[reject.position]] = [reject.stage, reject.reason, reject.text]
    for note in done.notes:
        said[order[note.position]] += [note.kind, note.before, note.note]
    for position, text in done.renamed.items():
        said[order[position]] += [text]
    return said


def converted(order: list[int], size: int = 1000, fast: bool = True) -> dict[int, list[Any]]:
    featurizer, said = Featurizer(OPTIONS, fast=fast), dict[int, list[Any]]()
    for start in range(0, len(order), size):
        some = order[start : start + size]
        texts = [TEXTS[i] for i in some]
        said |= answers(featurizer.convert(texts), texts, some)
    return said


ALL = list(range(len(TEXTS)))


@pytest.fixture(scope="module")
def expected() -> dict[int, list[Any]]:
    said = converted(ALL)
    assert len(said) == len(TEXTS)
    assert any("warning" in one for one in said.values())
    return said


@contextmanager
def switched(name: str, value: object) -> Iterator[None]:
    before = set_switches({name: value})
    yield
    assert set_switches(before) == {name: value}, "the setting of the caller was not put back"


@contextmanager
def silenced(silence: Callable[[], object], restore: Callable[[], object]) -> Iterator[None]:
    silence()
    try:
        yield
    finally:
        restore()


def hide(record: logging.LogRecord) -> bool:
    return False


SETTINGS: dict[str, Callable[[], Any]] = {
    **{
        name: lambda name=name, value=value: switched(
            name, Chem.PropertyPickleOptions.AllProps if name.startswith("Def") else not value
        )
        for name, value in DEFAULTS.items()
    },
    "logging.disable": lambda: silenced(
        lambda: logging.disable(logging.CRITICAL), lambda: logging.disable(logging.NOTSET)
    ),
    "disabled logger": lambda: silenced(
        lambda: setattr(LOGGER, "disabled", True), lambda: setattr(LOGGER, "disabled", False)
    ),
    "filter": lambda: silenced(
        lambda: LOGGER.addFilter(hide), lambda: LOGGER.removeFilter(hide)
    ),
    "level": lambda: silenced(
        lambda: LOGGER.setLevel(logging.CRITICAL), lambda: LOGGER.setLevel(logging.NOTSET)
    ),
    "rdApp.*": lambda: silenced(
        lambda: rdBase.DisableLog("rdApp.*"), lambda: rdBase.EnableLog("rdApp.error")
    ),
    "BlockLogs": rdBase.BlockLogs,
}  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_process_change_nothing(
    expected: dict[int, list[Any]], setting: str
) -> None:
    with SETTINGS[setting]():
        assert converted(ALL) == expected


@pytest.mark.parametrize("size", [1, 7])
def test_order_and_company_change_nothing(expected: dict[int, list[Any]], size: int) -> None:
    order = random.Random(size).sample(ALL, len(ALL))
    assert converted(order, size) == expected


def test_the_plain_path_says_the_same(expected: dict[int, list[Any]]) -> None:
    assert converted(ALL, fast=False) == expected


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
def test_what_a_cache_may_know_is_a_step_of_its_own(
    monkeypatch: pytest.MonkeyPatch, fast: bool, cut: str
) -> None:
    """Else the time limit of a text would depend on what was converted before it."""
    events: list[str] = []

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            events.append(function.__name__)
            return function(*arguments)

        return call

    monkeypatch.setattr(plain_path, "fragment_row", logged(fragment_row))
    monkeypatch.setattr(plain_path, "piece_smiles", logged(piece_smiles))
    monkeypatch.setattr("pepland_data.chem.cuts.brics_bonds", logged(brics_bonds))
    options = FeaturizeOptions(cut, dedup=True)
    featurizer = Featurizer(options, fast=fast, watch=lambda position: events.append("watch"))
    featurizer.convert(TEXTS)
    cached = [i for i, event in enumerate(events) if event != "watch"]
    assert {"fragment_row", "piece_smiles"} <= {events[i] for i in cached}
    assert ("brics_bonds" in events) == (cut == "adafrag")
    assert all(events[i - 1] == events[i + 1] == "watch" for i in cached)
