"""``pepland-data show``: one peptide as a picture or as a graph."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from pepland_cli import options
from pepland_cli.output import Command, json_option, render

EPILOG = """\b
Examples:
  pepland-data show ACDEFGHIK -o peptide.svg --vocab vocab.txt
  pepland-data show 'NCC(=O)N[C@@H](C)C(=O)O' --json
  pepland-data show 'PEPTIDE1{A.[X2484].[am]}$$$$' --monomers monomers.csv

Put texts into single quotes: the shell replaces $ in others.
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("text")
@click.option(
    "-o", "--out", type=click.Path(), default=None, help="Picture to write, .svg or .png."
)
@options.input_format
@options.lowercase
@options.monomers
@options.cut
@click.option(
    "--vocab",
    type=click.Path(),
    default=None,
    help="File with one fragment per line, as SMILES; its row numbers are shown as labels.",
)
@json_option
def show(
    text: str, out: str | None, input_format: str, lowercase: str, monomers: tuple[str, ...],
    cut: str, vocab: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show a peptide as the network sees it: its atoms, and its fragments between the cuts.

    TEXT is a SMILES, sequence, HELM or another notation. Fragments are coloured by kind and cuts
    are marked in red. A long chain is broken into rows: (1) at the end of a row continues at (1) of
    the next row.
    """
    from pepland_data import FeaturizeOptions, Vocabulary
    from pepland_data.draw.drawing import draw, examine

    vocabulary = Vocabulary.from_file(vocab) if vocab else None
    given = options.given_monomers(monomers)
    featurize = FeaturizeOptions(cut, input_format, monomers=given, lowercase=lowercase)
    shown = examine(text, featurize, vocabulary)
    path = str(draw(shown, out)) if out else None
    result = _as_graph(shown) if as_json else _as_summary(shown)
    render({"text": text, "cut": cut, "out": path, **result}, as_json, partial(_text, shown))


def _as_summary(shown: Any) -> dict[str, Any]:
    graph = shown.graph
    return {
        "num_atoms": graph.num_atoms,
        "num_bonds": len(graph.columns.bond_code),
        "num_fragments": graph.num_fragments,
        "num_cuts": len(shown.cuts),
    }


def _as_graph(shown: Any) -> dict[str, Any]:
    """Return the graph as JSON: atoms by symbol, fragments, cut bonds, the arrays of ``dense``."""
    arrays = {name: values.tolist() for name, values in shown.graph.dense().items()}
    members: list[list[int]] = [[] for _ in range(shown.graph.num_fragments)]
    for atom, fragment in enumerate(arrays["atom_fragment"]):
        members[fragment].append(atom)
    labels = [None] * len(members) if shown.labels is None else shown.labels.tolist()
    fragments = [
        {"smiles": smiles, "label": label, "atoms": atoms}
        for smiles, label, atoms in zip(shown.smiles, labels, members, strict=True)
    ]
    bonds = [shown.mol.GetBondWithIdx(bond) for bond in shown.cuts]
    return {
        **_as_summary(shown),
        "atoms": [atom.GetSymbol() for atom in shown.mol.GetAtoms()],
        "fragments": fragments,
        "cuts": [[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()] for bond in bonds],
        "arrays": arrays,
    }


def _text(shown: Any, r: dict[str, Any]) -> str:
    from pepland_data.draw.drawing import legend

    labelled = " (label, number, SMILES)" if shown.labels is not None else ""
    lines = [
        f"{r['num_atoms']} atoms, {r['num_bonds']} bonds, {r['num_cuts']} cuts, "
        f"{r['num_fragments']} fragments{labelled}:"
    ]
    lines += [f"  {label:>7}  {number:>5}  {smiles}" for label, number, smiles in legend(shown)]
    return "\n".join(lines + ([f"drawn to {r['out']}"] if r["out"] else []))
