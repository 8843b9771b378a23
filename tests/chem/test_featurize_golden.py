"""The featurizer and its oracle reproduce the published graphs bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pepland_data import FeaturizeOptions, Featurizer, featurize
from tests.helpers import oracle
from tests.helpers.golden_store import golden_molecule
from tests.helpers.paths import GOLDEN, ROOT

FILES = [
    (GOLDEN / "public.npz", "adafrag"),
    (ROOT.parent / "shared/golden/adafrag.npz", "adafrag"),
    (ROOT.parent / "shared/golden/amiibo.npz", "amiibo"),
]


@pytest.mark.parametrize(("path", "cut"), FILES, ids=[p.stem for p, _ in FILES])
@pytest.mark.parametrize("implementation", ["featurizer", "oracle"])
def test_every_golden_molecule_is_reproduced_bit_for_bit(
    path: Path, cut: str, implementation: str
) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this checkout")
    golden = dict(np.load(path))
    texts = [str(smiles) for smiles in golden["smiles"]]
    featurizer = Featurizer(FeaturizeOptions(cut=cut))
    assert featurize(texts[0], cut) == featurizer.featurize(texts[0])
    for i, text in enumerate(texts):
        made = (
            featurizer.featurize(text).dense()
            if implementation == "featurizer"
            else oracle.dense(text, cut)
        )
        for name, expected in golden_molecule(golden, i).items():
            if expected.dtype.kind != "U":
                assert made[name].dtype == expected.dtype, (text, name)
            np.testing.assert_array_equal(made[name], expected, err_msg=f"{text} {name}")
