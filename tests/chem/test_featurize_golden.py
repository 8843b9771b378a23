"""The featurizer and its oracle, bit for bit against the published output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pepland_data import featurize
from tests.helpers import oracle
from tests.helpers.golden_store import golden_molecule
from tests.helpers.paths import GOLDEN, ROOT

FILES = [
    (GOLDEN / "public.npz", "adafrag"),
    (ROOT.parent / "shared/golden/adafrag.npz", "adafrag"),
    (ROOT.parent / "shared/golden/amiibo.npz", "amiibo"),
]


@pytest.mark.parametrize(("path", "cut"), FILES, ids=[p.stem for p, _ in FILES])
@pytest.mark.parametrize("implementation", ["fast", "oracle"])
def test_every_golden_molecule_is_reproduced_bit_for_bit(
    path: Path, cut: str, implementation: str
) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this checkout")
    golden = dict(np.load(path))
    for i, smiles in enumerate(golden["smiles"]):
        made = (
            featurize(str(smiles), cut=cut).dense()
            if implementation == "fast"
            else oracle.dense(str(smiles), cut)
        )
        for name, expected in golden_molecule(golden, i).items():
            if expected.dtype.kind != "U":
                assert made[name].dtype == expected.dtype, (smiles, name)
            np.testing.assert_array_equal(made[name], expected, err_msg=f"{smiles} {name}")
