"""What is read with ``auto``, that both paths give one graph, and hostile texts."""

from __future__ import annotations

import csv
import gzip
from itertools import islice
from pathlib import Path

import pytest
from rdkit import Chem

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.featurizer import Featurizer
from pepland_data.chem.notation.detect import detect_notation
from pepland_data.chem.notation.written.shapes import NOTATIONS, thorough_notation

TEXTS = [
    "Ac-Ala-Gly-Phe-NH2", "H-D-Phe-Pip-Arg-pNA", "cyclo(Arg-Gly-Asp-D-Phe-NMeVal)", "Ac-DEVD-CHO",
    "ACDE(pS)K", "βAla-His", "A-C(1,3)-D-E-C(1,3)", "ac-A-K-C-am", "EM[Oxidation]EVEES[Phospho]PEK",
    "H-Pro-Pro-OH", "ACDU", "CYIQNCPLG-NH2 (1-6)", "Biotin-Ahx-GRGDS-NH2",
    "Ac-Nle-c[Asp-His-D-Phe-Arg-Trp-Lys]-NH2", "Dnp-Lys(Pal-γGlu)-Phe(4-Cl)-OH",
    "Cinnamoyl-Ala-Gly", "c[Ala-Gly-Pro]", "EC[MOD:00034#XL1]LEMS//AC[#XL1]K",
]  # fmt: skip
AUTO = FeaturizeOptions(input_format="auto")


@pytest.mark.parametrize("cut", ["adafrag", "amiibo"])
def test_graphs_are_those_of_rdkit_reading_each_text(cut: str) -> None:
    options = FeaturizeOptions(cut=cut, input_format="auto", check_share=1.0)
    fast, slow = (Featurizer(options, fast=fast).convert(TEXTS * 2) for fast in (True, False))
    assert fast.kept.tolist() == slow.kept.tolist() == list(range(2 * len(TEXTS)))
    for one, two in zip(*[_graphs(made) for made in (fast, slow)], strict=True):
        assert one == two


def _graphs(made: object) -> list[str]:
    """Return each graph as a text, with feature rows instead of their codes."""
    from pepland_data.graph.heterograph import HeteroGraph

    found = []
    for place in range(len(made.kept)):  # type: ignore[attr-defined]
        columns = made.columns.slice(place, place + 1)  # type: ignore[attr-defined]
        dense = HeteroGraph("", made.tables, columns).dense()  # type: ignore[attr-defined]
        found.append(repr({name: values.tolist() for name, values in dense.items()}))
    return found


def test_texts_that_rdkit_reads_as_smiles_stay_smiles() -> None:
    for text in (
        "C-C-C",
        "[Ac]-C",
        "N[C@@H](C)C(=O)O",
        "CC(N)C(=O)O Ala",
        "C1CC1",
        "c1ccccc1-c1ccccc1",
    ):
        assert detect_notation(text, "auto") == "smiles"
        assert not thorough_notation(text)
    for text in ("ACDEFGHIK", "GAC", "CNPS"):
        assert detect_notation(text, "auto") in ("sequence", "either")


@pytest.mark.parametrize(
    "file",
    ["binding.csv", "canonical.csv", "cpp.csv", "noncanonical.csv", "corpus/cycpeptmpdb.csv.gz"],
)
def test_no_text_of_a_corpus_is_taken_for_another_notation(shared_dir: Path, file: str) -> None:
    path = shared_dir / "data" / file
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        cells = {cell for row in islice(csv.reader(lines), 2000) for cell in row}
    taken = {cell for cell in cells if detect_notation(cell, "auto") in NOTATIONS}
    taken |= {c for c in cells if detect_notation(c, "auto") == "smiles" and thorough_notation(c)}
    assert not [cell for cell in taken if Chem.MolFromSmiles(cell) is not None]


def test_the_case_file_is_read_or_refused_by_name(shared_dir: Path) -> None:
    lines = (shared_dir / "cases" / "notations.txt").read_text(encoding="utf-8").splitlines()
    made = Featurizer(AUTO).convert(lines)
    assert [reject.text for reject in made.rejects] == ["cyclo(RGDfK)"]
    assert "--lowercase d-amino" in made.rejects[0].reason
    option = FeaturizeOptions(input_format="auto", lowercase="d-amino")
    assert not Featurizer(option).convert(lines).rejects


HOSTILE = [
    "A" * 9_999 + "-x", "Ala-" * 2_500, "(" * 10_000, "A" + "(" * 5_000 + ")" * 5_000, "-" * 10_000,
    "A-" * 5_000 + "B(1,3)", "A[" + "dA" * 5_000 + "]", "MeMeMeMe" * 1_250 + "-Ala-Gly",
    "cyclo(" * 1_600, "A(1,3)" * 1_600, "ACDE\u202e(pS)K", "Ala-\u0000Gly", "Ala-Gly-\U0001f600",
    "A " + "1-1, " * 2_000 + "disulfide", "AK[" + "|" * 9_000 + "]", "[]-A", "A-[]", "K()", "A[](",
    "cyclo()", "cyclo(A)", "Ac-NH2", "H-OH", "A.B.C-D", "{" * 5_000 + "A-C", "K(-)", "K(Ac-)",
    "Ac-c[]-NH2", "Ac-c[A]", "c[" * 3_000 + "C" + "]" * 3_000, "-c[" * 600 + "A",
    "Lys(" + "Gly-" * 2_000 + "Gly)", "Ala-" * 500 + "c[Cys-Cys]", "Asp1-" * 1_000 + "Ala",
    "Ala (" + "1-2, " * 2_000 + "1-3 lactam)", "Gly (disulfide)", "[" + "Ala2," * 2_000 + "]-x",
    "C[#XL1]" * 1_000, "A//" * 2_000, "A/" * 3_000 + "2", "[Gln->pyro-Glu]-",
]  # fmt: skip


@pytest.mark.parametrize("input_format", ["auto", *NOTATIONS])
def test_hostile_texts_end_in_a_sentence(input_format: str) -> None:
    option = FeaturizeOptions(input_format=input_format)
    made = Featurizer(option).convert(HOSTILE)
    assert len(made.rejects) + len(made.kept) == len(HOSTILE)
    assert all(reject.reason and len(reject.reason) < 400 for reject in made.rejects)
