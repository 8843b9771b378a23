"""Are strings of peptide notations read as the molecules that their sources say?

Each string of ``notations/strings.csv`` is read under the name of its notation; small letters are
D residues if it is refused without. Another tautomer is the same molecule, counter ions of the
source are left out, and a source without stereochemistry is compared without it.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import click
from rdkit import Chem, rdBase
from rdkit.Chem.Descriptors import MolWt
from rdkit.Chem.rdMolDescriptors import CalcExactMolWt, CalcMolFormula

from benchmarks.common import record
from pepland_data.chem.notation.parse import parse
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.errors import InvalidMoleculeError

STRINGS = Path(__file__).parent / "notations" / "strings.csv"
FORMATS = {"condensed": "three-letter", "biln": "biln", "proforma": "proforma", "helm": "helm"}
OUTCOMES = ("agree", "differ", "refused rightly", "gap")
MAX_ATOMS = 5000
TOLERANCE_DA = {"mass": 0.01, "weight": 0.1}
D_AMINO = "--lowercase d-amino"


class Outcome(NamedTuple):
    """What became of a string."""

    name: str
    """One of `OUTCOMES`."""
    reason: str = ""
    """Why it was refused, or why it differs."""


def strings() -> list[dict[str, str]]:
    """Return the rows of the table."""
    with STRINGS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read(row: dict[str, str]) -> tuple[Any, str]:
    """Return the molecule of a string, or None and why it is refused."""
    why = ""
    for lowercase in ("refuse", "d-amino"):
        try:
            with RdkitMessages() as log:
                found = parse(
                    row["text"], FORMATS[row["notation"]], MAX_ATOMS, log, lowercase=lowercase
                )
            return found, ""
        except InvalidMoleculeError as error:
            why = why or error.reason
            if D_AMINO not in why:
                break
    return None, why


def agrees(mol: Any, expected: str, kind: str) -> bool:
    """Return whether a molecule is what a source says."""
    if kind == "smiles":
        return _same(mol, Chem.MolFromSmiles(expected))
    if kind == "inchikey":
        return str(Chem.MolToInchiKey(mol)) == expected
    if kind == "formula":
        return str(CalcMolFormula(mol)) == expected
    dalton = {"mass": CalcExactMolWt, "weight": MolWt}[kind](mol)
    return bool(abs(dalton - float(expected)) < TOLERANCE_DA[kind])


def _same(mol: Any, source: Any) -> bool:
    """Return whether two molecules are equal but for tautomers and what the source leaves out."""
    parts = Chem.GetMolFrags(source, asMols=True)
    if len(Chem.GetMolFrags(mol)) == 1:
        source = max(parts, key=lambda part: part.GetNumHeavyAtoms())
    if "@" not in Chem.MolToSmiles(source):
        mol = Chem.Mol(mol)
        Chem.RemoveStereochemistry(mol)
    return Chem.MolToSmiles(mol) == Chem.MolToSmiles(source) or (
        Chem.MolToInchiKey(mol) == Chem.MolToInchiKey(source)
    )


def outcome(row: dict[str, str]) -> Outcome:
    """Return what became of the string of a row."""
    mol, why = read(row)
    if mol is None:
        return Outcome("refused rightly" if row["unclear"] else "gap", why)
    if row["unclear"]:
        return Outcome("differ", f"read, although it is {row['unclear']}")
    if not row["kind"]:
        return Outcome("differ", "read, but nothing says what it is")
    if agrees(mol, row["expected"], row["kind"]):
        return Outcome("agree")
    return Outcome("differ", row["cause"])


def measure() -> dict[str, Any]:
    """Return the counts of each notation, and each difference and gap with its reason."""
    with rdBase.BlockLogs():
        found = [(row, outcome(row)) for row in strings()]
    counts = Counter((row["notation"], one.name) for row, one in found)
    return {
        "counts": {n: {name: counts[n, name] for name in OUTCOMES} for n in FORMATS},
        "agreement_with": _counted(found, "agree", "by"),
        "refused_rightly": _counted(found, "refused rightly", "unclear"),
        "differ": _listed(found, "differ"),
        "gaps": _listed(found, "gap"),
    }


def _counted(
    found: list[tuple[dict[str, str], Outcome]], name: str, key: str
) -> dict[str, dict[str, int]]:
    """Return how often each value of a column has an outcome, for each notation."""
    counts = Counter((row["notation"], row[key]) for row, one in found if one.name == name)
    return {n: {of: k for (by, of), k in counts.most_common() if by == n} for n in FORMATS}


def _listed(found: list[tuple[dict[str, str], Outcome]], name: str) -> list[dict[str, str]]:
    kept = ("notation", "text", "source")
    return [
        {key: row[key] for key in kept} | {"reason": one.reason}
        for row, one in found
        if one.name == name
    ]


def table(counts: dict[str, dict[str, int]]) -> str:
    """Return the counts as a table of Markdown."""
    lines = [f"| notation | strings | {' | '.join(OUTCOMES)} |", "| --- " * 6 + "|"]
    for notation, of in counts.items():
        cells = [notation, sum(of.values()), *(of[name] for name in OUTCOMES)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


@click.command()
def main() -> None:
    """Read all strings and write results/notations.json."""
    results = measure()
    click.echo(table(results["counts"]))
    click.echo(record.save("notations", results))


if __name__ == "__main__":
    main()
