"""``pepland-data read``: what is understood of a text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from pepland_cli import options
from pepland_cli.output import EXIT_FAILED, Command, json_option, say

EPILOG = """\b
Examples:
  pepland-data read 'NCC(=O)N[C@@H](C)C(=O)O'
  pepland-data read ACDEFGHIK 'Ac-Ala-Gly-Phe-NH2' 'PEPTIDE1{[ac].A.C.[am]}$$$$'
  pepland-data read 'cyclo(RGDfK)' --lowercase d-amino
  pepland-data read 'PEPTIDE1{A.[X2484].[am]}$$$$' --monomers monomers.csv
  cut -f 2 peptides.tsv | pepland-data read - --json

Put texts into single quotes: the shell replaces $ in others.
"""
SHOWN = 100
"""Characters of a text that are repeated above its answer."""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@options.input_format
@options.monomers
@options.lowercase
@options.standardize
@json_option
def read(
    texts: tuple[str, ...], input_format: str, monomers: tuple[str, ...], lowercase: str,
    standardize: bool, as_json: bool,
) -> None:  # fmt: skip
    """Read each TEXT and show what was understood, or why it is rejected.

    TEXT is a peptide in any notation that `build` reads; - stands for the lines of standard input.
    The answer names the notation and gives SMILES, HELM, formula, masses, charge and size. It is
    what `build` makes of the same text, so try it first when a row is rejected. Exit code 1 means
    that a text was rejected.
    """
    from pepland_data.chem.conversion import FeaturizeOptions
    from pepland_data.chem.understood import understood
    from pepland_data.errors import InputError

    lines = [line for text in texts for line in (_lines() if text == "-" else [text])]
    if not lines:
        raise InputError("standard input holds no text; write one peptide on each line")
    given = options.given_monomers(monomers)
    chosen = FeaturizeOptions(
        input_format=input_format, standardize=standardize, monomers=given, lowercase=lowercase
    )
    answers = [_answer(one) for one in understood(lines, chosen)]
    one_text = len(texts) == 1 and texts[0] != "-"
    if as_json:
        say(json.dumps(answers[0] if one_text else answers, indent=2))
    else:
        say("\n\n".join(map(_text, answers)))
    if any(answer["reject"] for answer in answers):
        raise SystemExit(EXIT_FAILED)


def _lines() -> Iterator[str]:
    """Yield the lines of standard input that are not empty."""
    for line in click.get_text_stream("stdin", encoding="utf-8", errors="replace"):
        if text := line.strip("\r\n\t "):
            yield text


def _answer(one: Any) -> dict[str, Any]:
    """Return what was understood of a text as JSON."""
    reject = one.reject and {"stage": one.reject.stage, "reason": one.reject.reason}
    molecule = one.molecule and asdict(one.molecule)
    return {
        "text": one.text,
        "notation": one.notation,
        "molecule": molecule,
        "notes": one.notes,
        "reject": reject,
    }


def _text(answer: dict[str, Any]) -> str:
    text = answer["text"]
    lines = [text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."]
    lines += [f"  {name:<10} {value}" for name, value in _facts(answer)]
    return "\n".join(lines)


def _facts(answer: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line below a text."""
    yield "looks like" if answer["reject"] else "notation", answer["notation"]
    if molecule := answer["molecule"]:
        yield "SMILES", molecule["smiles"]
        yield "HELM", molecule["helm"] or f"none: {molecule['no_helm']}"
        yield "formula", molecule["formula"]
        yield (
            "mass",
            (
                f"{molecule['average_mass_da']:,.2f} Da average, "
                f"{molecule['monoisotopic_mass_da']:,.4f} Da monoisotopic"
            ),
        )
        yield "charge", f"{molecule['charge']:+d}" if molecule["charge"] else "0"
        residues = f"{molecule['residues']:,} residues, " if molecule["helm"] else ""
        yield "size", f"{molecule['atoms']:,} atoms, {residues}{molecule['rings']:,} rings"
    if reject := answer["reject"]:
        yield "rejected", f"{reject['reason']} (stage: {reject['stage']})"
    for note in answer["notes"]:
        yield "note", note
