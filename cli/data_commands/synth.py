"""``pepland-data synth``: write synthetic peptides."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from pepland_cli.output import Command, json_option, render

EPILOG = """\b
Examples:
  pepland-data synth peptides.csv --count 1000000 --seed 7
  pepland-data synth rings.smi --cyclic 0.5 --bridged 0.5 --noncanonical 1
  pepland-data synth proteins.txt --form sequence --median-length 30
"""
share, length = click.FloatRange(0, 1), click.IntRange(1)


@click.command(cls=Command, epilog=EPILOG)
@click.argument("out", type=click.Path())
@click.option(
    "--count", type=click.IntRange(0), default=1000, show_default=True, help="Number of peptides."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option(
    "--form", type=click.Choice(["smiles", "sequence", "helm"]), default="smiles",
    show_default=True, help="Notation of the peptides.",
)  # fmt: skip
@click.option(
    "--noncanonical",
    type=share,
    help="Share of peptides with residues beyond the twenty [default: 0.3].",
)
@click.option("--cyclic", type=share, help="Share of peptides closed head to tail [default: 0.1].")
@click.option("--bridged", type=share, help="Share of peptides with a disulfide [default: 0.05].")
@click.option("--min-length", type=length, default=3, show_default=True,
              help="Residues of the shortest peptides.")  # fmt: skip
@click.option("--median-length", type=length, default=14, show_default=True,
              help="Residues of a typical peptide.")  # fmt: skip
@click.option("--max-length", type=length, default=50, show_default=True,
              help="Residues of the longest peptides.")  # fmt: skip
@json_option
def synth(out: str, as_json: bool, form: str, **given: Any) -> None:
    """Write random peptides to OUT, for tests and measurements.

    OUT ends in .csv, .tsv, .smi or .txt, or in one of these and .gz; - is standard output. The same
    seed gives the same peptides; a smaller count gives the first of them. In a sequence of letters
    all residues are natural and no peptide is cyclic or bridged, so these three shares are 0 by
    default.
    """
    from tqdm import tqdm

    from pepland_data.inputs.synthetic import SynthOptions, write_peptides

    if not given["min_length"] <= given["median_length"] <= given["max_length"]:
        raise click.UsageError("give lengths with --min-length <= --median-length <= --max-length")
    shares = ("noncanonical", "cyclic", "bridged")
    plain = dict.fromkeys(shares, 0.0) if form == "sequence" else {}
    options = SynthOptions(form=form, **plain | {k: v for k, v in given.items() if v is not None})
    with tqdm(total=options.count, unit=" peptides", mininterval=0.2) as shown:
        report = write_peptides(out, options, lambda done: shown.update(done - shown.n))
    if out != "-":  # then standard output holds the peptides
        render({**asdict(report), "options": asdict(options)}, as_json, text)


def text(r: dict[str, Any]) -> str:
    """Return the summary on screen."""
    parts = [f"{n:,} {name}" for name, n in sorted({**r["kinds"], **r["topologies"]}.items())]
    return (
        f"{r['path']}: {r['count']:,} peptides of {r['mean_length']:.1f} residues "
        f"({', '.join(parts)})"
    )
