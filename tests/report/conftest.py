"""A store of peptides whose residues, rings and neighbours are known."""

from __future__ import annotations

import pytest

from pepland_data import BuildOptions, FeaturizeOptions, build, open_store
from pepland_data.store.split.make import make_split
from pepland_data.store.split.recorded import write_split

CYCLIC = "PEPTIDE1{A.G.F.K.L}$PEPTIDE1,PEPTIDE1,5:R2-1:R1$$$"
BRIDGED = "PEPTIDE1{C.Y.I.Q.N.C.P.L.G.[am]}$PEPTIDE1,PEPTIDE1,1:R3-6:R3$$$"
MIRRORED = "PEPTIDE1{[ac].A.[dF].G.[meA].[am]}$$$$"
PEPTIDES = [
    ("ACDEFGHIK", 1.0, "high", "train"),
    ("LLLLWWWW", 2.0, "low", "train"),
    (CYCLIC, 3.0, "low", "train"),
    ("MNPQRST", 4.5, "high", "train"),
    ("ACDEFGHIR", 5.0, "low", "test"),  # one residue from row 0
    ("LLLLWWWW", 6.0, "low", "test"),  # row 1 again
    (BRIDGED, 7.0, "high", "test"),
    (MIRRORED, 8.0, "high", "test"),
]
BAD = "not-a-peptide!"


def write_peptides(path, rows=PEPTIDES, bad=1):
    lines = [",".join(map(str, (f'"{text}"', *rest))) for text, *rest in rows]
    path.write_text("\n".join(["peptide,affinity,group,set", *lines, *[f"{BAD},0,low,test"] * bad]))
    return path


@pytest.fixture(scope="session")
def peptides(tmp_path_factory):
    """A store of `PEPTIDES` and one reject, with the split ``default`` of its column ``set``."""
    folder = tmp_path_factory.mktemp("peptides")
    source = write_peptides(folder / "in.csv")
    options = BuildOptions(
        FeaturizeOptions(input_format="auto"), smiles_column="peptide", rows_per_shard=3
    )
    build(source, folder / "store", options)
    store = open_store(folder / "store")
    write_split(store, make_split(store, "column", column="set"))
    return store


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A store without graphs: its one row is a reject."""
    folder = tmp_path_factory.mktemp("empty")
    source = write_peptides(folder / "in.csv", [])
    build(
        source, folder / "store",
        BuildOptions(FeaturizeOptions(input_format="auto"), smiles_column="peptide"),
    )  # fmt: skip
    return open_store(folder / "store")
