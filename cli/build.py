"""``pepland-data build``: texts to a store."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from pepland_cli.output import EXIT_REJECTED, Command, json_option, render

EPILOG = """\b
Examples:
  pepland-data build peptides.csv --out data/ --workers 32
  zcat peptides.smi.gz | pepland-data build - --out data/
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("source", metavar="INPUT")
@click.option("--out", required=True, help="Folder of the store.")
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes [all cores].")
@click.option(
    "--smiles-column", default=None, help="Column of the text; found by name if not given."
)
@click.option(
    "--input-format",
    type=click.Choice(["auto", "smiles", "sequence", "fasta", "helm"]),
    default="auto",
    show_default=True,
    help="What the texts are.",
)
@click.option(
    "--cut", type=click.Choice(["adafrag", "amiibo"]), default="adafrag", show_default=True,
    help="Where molecules are cut into fragments.",
)  # fmt: skip
@click.option("--rows-per-shard", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--max-atoms", type=click.IntRange(1), default=5000, show_default=True)
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds of processor time for one molecule; what takes longer is rejected.",
)
@click.option(
    "--standardize",
    is_flag=True,
    help="Keep the largest piece of each SMILES, without salts and charges; changes are noted.",
)
@click.option("--dedup", is_flag=True, help="Of rows that are one molecule keep the first.")
@click.option(
    "--max-reject-frac", type=click.FloatRange(0, 1), default=0.1, show_default=True,
    help="More rejects than this share end with exit code 3; the store is kept.",
)  # fmt: skip
@click.option("--append", is_flag=True, help="Add rows to the store in --out, by its options.")
@click.option("--verbose", is_flag=True, help="Show all reasons and notes, and the caches' hits.")
@json_option
def build(
    source: str,
    out: str,
    workers: int | None,
    smiles_column: str | None,
    input_format: str,
    cut: str,
    rows_per_shard: int,
    max_atoms: int,
    time_limit: float,
    standardize: bool,
    dedup: bool,
    max_reject_frac: float,
    append: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Turn SMILES, sequences or HELM into a store.

    INPUT is a CSV, TSV, .smi, .txt, FASTA or Parquet file, gzipped or not, or - for standard input.
    Columns other than the text are passed through. Stop it and run it again: it goes on.
    """
    from pepland_data.builder import BuildOptions
    from pepland_data.builder import build as build_store
    from pepland_data.conversion import FeaturizeOptions

    featurize = FeaturizeOptions(cut, input_format, max_atoms, standardize, dedup, time_limit)
    options = BuildOptions(
        featurize, smiles_column, rows_per_shard, workers or len(os.sched_getaffinity(0))
    )
    with bar() as progress:
        if append:
            from pepland_data.append import append as append_rows

            report = append_rows(source, out, options.workers, progress)
        else:
            report = build_store(source, out, options, progress)
    shown = {**asdict(report), "reject_fraction": report.reject_fraction}
    render(shown, as_json, partial(text, verbose=verbose))
    too_many = report.reject_fraction > max_reject_frac
    if report.graphs == 0:
        click.echo("error: every row was rejected; see the reasons above", err=True)
    if too_many or report.graphs == 0:
        raise SystemExit(EXIT_REJECTED)


class bar:
    """A progress bar on stderr with rate; with a known total, also the time left."""

    def __enter__(self) -> Any:
        from tqdm import tqdm

        self._bars: dict[str, Any] = {}
        self._make = tqdm
        return self._update

    def _update(self, stage: str, done: int, total: int | None) -> None:
        if stage not in self._bars:
            unit = " rows" if stage == "convert" else " shards"
            self._bars[stage] = self._make(total=total, desc=stage, unit=unit, mininterval=0.2)
        self._bars[stage].update(done - self._bars[stage].n)

    def __exit__(self, *_: object) -> None:
        for shown in self._bars.values():
            shown.close()


def text(r: dict[str, Any], verbose: bool = False) -> str:
    """Return the summary on screen."""
    if r["nothing_to_do"]:
        return f"{r['path']}: nothing left to do ({r['graphs']:,} graphs, {r['rejects']:,} rejects)"
    rate = r["rows"] / max(r["seconds"], 1e-9)
    lines = [
        f"{r['path']}: {r['graphs']:,} graphs of {r['rows']:,} rows in {r['seconds']:.1f} s "
        f"({rate:,.0f} rows/s), {r['bytes'] / 1e6:,.1f} MB, "
        f"{r['bytes'] / max(r['graphs'], 1):,.0f} bytes a graph"
    ]
    if r["resumed_shards"]:
        lines.append(f"{r['resumed_shards']} shards were there already")
    if r["rejects"]:
        lines.append(f"{r['rejects']:,} rows rejected (all in rejects.parquet):")
        lines += _counted(r["reasons"], verbose)
    if r["notes"]:
        lines.append("worth knowing (all in notes.parquet):")
        lines += _counted(r["notes"], verbose)
    if verbose and r["cache"].get("asked"):
        share = r["cache"].get("known", 0) / r["cache"]["asked"]
        lines.append(f"{share:.2%} of {r['cache']['asked']:,} pieces were known already")
    return "\n".join(lines)


def _counted(counts: dict[str, int], verbose: bool) -> list[str]:
    """Return one line a reason, the rarer ones only where all were asked for."""
    shown = list(counts.items())[: None if verbose else 10]
    lines = [f"  {count:>8,}  {reason}" for reason, count in shown]
    more = len(counts) - len(shown)
    return [*lines, f"  and {more} more kinds; --verbose shows them"] if more else lines
