"""Groups by a threshold of identity: peptides above it are in one group, so in one set."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from pepland_data import build, open_store
from pepland_data.chem.notation.monomers import NATURAL, peptide
from pepland_data.errors import InputError
from pepland_data.inputs.synthetic import SynthOptions, peptides
from pepland_data.store.split.identity_groups import candidates, edits, identity_groups, reach
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import open_split
from pepland_data.store.split.similar_groups import similar_groups
from tests.helpers.commands import cli

POOL = [n for n in NATURAL if n != "C"]


def distance(a: list[str], b: list[str]) -> int:
    """Return the Levenshtein distance of two peptides."""

    @lru_cache(None)
    def at(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = at(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(same, at(i - 1, j) + 1, at(i, j - 1) + 1)

    return at(len(a), len(b))


def edited(rng: np.random.Generator, names: list[str], count: int) -> list[str]:
    names = list(names)
    for _ in range(count):
        place, new = int(rng.integers(len(names))), str(rng.choice(POOL))
        kind = rng.integers(3)
        if kind == 0:
            names[place] = new
        elif kind == 1:
            names.insert(place, new)
        else:
            del names[place]
    return names


def family(seed: int, threshold: float) -> list[list[str]]:
    """Return random peptides and edited copies with identities near the threshold."""
    rng = np.random.default_rng(seed)
    made: list[list[str]] = []
    for _ in range(12):
        base = [str(n) for n in rng.choice(POOL, rng.integers(10, 45))]
        made.append(base)
        most = edits(len(base), threshold)
        made += [edited(rng, base, int(rng.integers(1, most + 2))) for _ in range(3)]
    return made


def store_of(folder: Path, texts: list[str]) -> Path:
    (folder / "in.smi").write_text("".join(f"{text}\n" for text in texts))
    build(folder / "in.smi", folder / "out")
    return folder / "out"


@pytest.mark.parametrize("threshold", [0.9, 0.93])
@pytest.mark.parametrize("cyclic", [False, True])
def test_every_pair_of_the_identity_is_in_one_group(
    tmp_path: Path, threshold: float, cyclic: bool
) -> None:
    names = family(int(100 * threshold) + cyclic, threshold)
    texts = [peptide(one, cyclic=cyclic) for one in names]
    groups = identity_groups(open_store(store_of(tmp_path, texts)), threshold)
    pairs = 0
    for i, a in enumerate(names):
        for j in range(i):
            identity = 1 - distance(a, names[j]) / max(len(a), len(names[j]))
            if identity >= threshold - 1e-9:
                pairs += 1
                assert groups[i] == groups[j], (identity, a, names[j])
    assert pairs >= 12
    assert len(np.unique(groups)) >= 12  # unrelated peptides are not joined


def test_a_lower_threshold_joins_groups_of_a_higher_one(tmp_path: Path) -> None:
    made = [m.text("smiles") for m in peptides(SynthOptions(150, 6, min_length=8))]
    store = open_store(store_of(tmp_path, made))
    finer = similar_groups(store)
    for threshold in (1.0, 0.95, 0.9):
        groups = identity_groups(store, threshold)
        assert all(len(np.unique(groups[finer == g])) == 1 for g in np.unique(finer))
        finer = groups
    assert len(np.unique(finer)) >= 140


def test_a_split_by_identity_records_the_threshold(tmp_path: Path) -> None:
    path = store_of(tmp_path, [peptide(one) for one in family(5, 0.9)])
    flags = ["--by", "similarity", "--threshold", "0.9", "--fractions", "train=0.5,test=0.5"]
    done = cli("split", str(path), *flags, "--json")
    assert json.loads(done.stdout)["recipe"]["threshold"] == 0.9
    split, groups = open_split(open_store(path)), identity_groups(open_store(path), 0.9)
    for group in np.unique(groups):
        assert len(np.unique(split.assignment[groups == group])) == 1
    assert cli("split", str(path), "--threshold", "0.9").returncode == 1
    assert cli("split", str(path), "--by", "similarity", "--threshold", "0.5").returncode == 2
    with pytest.raises(InputError, match=r"identity from 0\.9 to 1"):
        make_split(open_store(path), "similarity", threshold=0.5)


def test_candidates_are_all_pairs_that_share_a_key() -> None:
    rng = np.random.default_rng(0)
    keys, rows = rng.integers(0, 40, 300).astype(np.uint64), rng.integers(0, 60, 300)
    found = {
        (min(a, b), max(a, b))
        for left, right in candidates(keys, rows)
        for a, b in zip(left.tolist(), right.tolist(), strict=True)
    }
    expected = {
        (min(a, b), max(a, b))
        for i, a in enumerate(rows.tolist())
        for j, b in enumerate(rows.tolist())
        if keys[i] == keys[j] and a != b
    }
    assert found == expected


def test_a_token_survives_the_allowed_edits() -> None:
    for threshold in (0.9, 0.93, 0.95):
        for n in range(4, 80):
            k, r = edits(n, threshold), reach(n, threshold)
            assert r == -1 if k == 0 else r >= 5 and k * (2 * r + 5) < 2 * n - 3
