"""``pepland-data build``: a file of texts becomes a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pepland_cli import options
from pepland_cli.output import EXIT_REJECTED, Command, fail, json_option, render, say

EPILOG = """\b
Examples:
  pepland-data build peptides.csv --out data/
  pepland-data build s3://corpus/peptides.csv --out s3://stores/data --format zarr
  zcat peptides.smi.gz | pepland-data build - --out data/
  pepland-data build peptides.csv --out data/ --engine dask --address tcp://host:8786
  pepland-data build peptides.csv --out part-3/ --part 3/16
  pepland-data build helm.csv --out data/ --monomers chembl_monomers.xml.gz
"""


@click.command(
    cls=Command, epilog=EPILOG, first=("out", "workers", "smiles_column", "input_format", "dedup")
)
@click.argument("source", type=click.Path(), metavar="INPUT")
@click.option("--out", type=click.Path(), required=True, help="Folder or URL of the store.")
@options.workers
@click.option(
    "--engine", type=click.Choice(["local", "dask", "ray"]), default="local", show_default=True,
    help="Where the processes run: on this machine, or on a Dask or Ray cluster. The store has the "
    "same bytes.",
)  # fmt: skip
@click.option("--address", help="Address of the Dask scheduler or the Ray cluster.")
@click.option(
    "--part", metavar="K/N", help="Build part K of N as a separate store; `merge` joins the parts."
)
@options.smiles_column
@options.input_format
@options.lowercase
@options.monomers
@options.cut
@click.option(
    "--rows-per-shard", type=click.IntRange(1), default=1000, show_default=True,
    help="Input rows in each file of graphs (shard).",
)  # fmt: skip
@options.max_atoms
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds of processor time to read a molecule, or to work out one of its fragments; a "
    "molecule that takes longer is rejected.",
)
@options.standardize
@click.option("--dedup", is_flag=True, help="Keep only the first row of each molecule.")
@click.option(
    "--add",
    type=click.Choice(["helm", "descriptors"]),
    multiple=True,
    help="Columns to add: helm, the residues of each molecule as HELM, null where there is none; "
    "descriptors, 59 numbers of RDKit for each molecule, to pre-train on. May be repeated.",
)
@options.max_reject_frac
@click.option(
    "--keep-index", is_flag=True,
    help="Keep the index column of a data frame (Unnamed: 0, __index_level_0__, no name).",
)  # fmt: skip
@click.option(
    "--format", type=click.Choice(["arrow", "zarr"]), default="arrow", show_default=True,
    help="Kind of store: arrow is read in place, without loading it; zarr takes an eighth of the "
    "space.",
)  # fmt: skip
@click.option(
    "--append",
    is_flag=True,
    help="Add the rows of INPUT to the store in --out, with the options it was built with.",
)
@click.option(
    "--check-share", type=click.FloatRange(0, 1), default=0.001, show_default=True,
    help="Share of the SMILES read without RDKit whose graph is compared with RDKit's.",
)  # fmt: skip
@click.option("--rdkit-only", is_flag=True, help="Read all SMILES with RDKit: slower, same store.")
@click.option("--verbose", is_flag=True, help="Show all reasons and notes, and what RDKit read.")
@json_option
def build(
    source: str,
    out: str,
    workers: int | None,
    engine: str,
    address: str | None,
    part: str | None,
    max_reject_frac: float,
    append: bool,
    check_share: float,
    rdkit_only: bool,
    verbose: bool,
    as_json: bool,
    monomers: tuple[str, ...],
    add: tuple[str, ...],
    **record: Any,
) -> None:
    """Turn SMILES, sequences, HELM, other notations or an SDF file into a store.

    A store is a folder with one graph for each peptide. INPUT is a CSV, TSV, .smi, .txt, SDF,
    FASTA, Parquet, Arrow or JSON Lines file, compressed or not, or - for standard input. Other
    columns are copied into the store. An interrupted build is resumed by the same command.
    """
    from pepland_data.builder.append import append as append_rows
    from pepland_data.builder.build import build as build_store
    from pepland_data.builder.options import options_of
    from pepland_data.errors import TooManyRejectsError
    from pepland_data.inputs.part import Part
    from pepland_data.loader.prefetch import usable_cores

    if append and part:
        raise click.UsageError(
            "--append and --part exclude each other; build the parts, then merge"
        )
    engine_options = {"workers": workers or usable_cores(), "engine": engine}
    engine_options |= {"address": address, "max_reject_frac": max_reject_frac}
    engine_options |= {"rdkit_only": rdkit_only, "check_share": check_share}
    engine_options["monomers"] = options.given_monomers(monomers)
    record |= {"add": sorted(set(add))} if add else {}
    try:
        with ProgressBars() as progress:
            if append:
                given = _given(record) if (Path(out) / "manifest.json").exists() else record
                report = append_rows(source, out, progress=progress, given=given, **engine_options)
            else:
                options_given = options_of(record, part=part and Part.parse(part), **engine_options)
                report = build_store(source, out, options_given, progress)
    except TooManyRejectsError as error:
        fail(str(error), EXIT_REJECTED)
    shown = {**asdict(report), "reject_fraction": report.reject_fraction}
    if given_monomers := engine_options["monomers"]:
        shown["monomers"] = given_monomers.record()
        shown["monomer_notes"] = list(given_monomers.notes)
    render(shown, as_json, partial(text, verbose=verbose))
    too_many = report.reject_fraction > max_reject_frac
    if report.graphs == 0:
        say("error: every row was rejected; see the reasons above", err=True)
    if too_many or report.graphs == 0:
        raise SystemExit(EXIT_REJECTED)


def _given(record: dict[str, Any]) -> dict[str, Any]:
    """Return the options given on the command line, without the defaults."""
    source = click.get_current_context().get_parameter_source
    return {k: v for k, v in record.items() if source(k) is not ParameterSource.DEFAULT}


UNITS = {
    "convert": " rows",
    "read": " rows",
    "compress": " objects",
    "upload": " files",
    "write": " files",
}
"""Stage -> unit of its progress bar; other stages count shards."""


class ProgressBars:
    """One progress bar per stage on stderr; if the total is known, with the time left."""

    def __enter__(self) -> Any:
        from tqdm import tqdm

        self._bars: dict[str, Any] = {}
        self._make = tqdm
        return self._update

    def _update(self, stage: str, done: int, total: int | None) -> None:
        if stage not in self._bars:
            unit = UNITS.get(stage, " shards")
            self._bars[stage] = self._make(total=total, desc=stage, unit=unit, mininterval=0.5)
        self._bars[stage].update(done - self._bars[stage].n)

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            with suppress(OSError):  # the terminal was closed
                bar.close()


def text(r: dict[str, Any], verbose: bool = False) -> str:
    """Return the summary on screen."""
    if r["nothing_to_do"]:
        return f"{r['path']}: nothing left to do ({r['graphs']:,} graphs, {r['rejects']:,} rejects)"
    rate = r["rows"] / max(r["seconds"], 1e-9)
    lines = [
        f"{r['path']}: {r['graphs']:,} graphs of {r['rows']:,} rows in {r['seconds']:.1f} s "
        f"({rate:,.0f} rows/s), {r['bytes'] / 1e6:,.1f} MB, "
        f"{r['bytes'] / max(r['graphs'], 1):,.0f} bytes per graph"
    ]
    if r["resumed_shards"]:
        lines.append(f"{r['resumed_shards']} shards were already converted")
    if r["rejects"]:
        lines.append(
            f"{r['rejects']:,} rows rejected (all in rejects.parquet; `pepland-data read TEXT` "
            "tries one again):"
        )
        lines += _counted(r["reasons"], verbose)
    if r["notes"]:
        lines.append("notes (all in notes.parquet):")
        lines += _counted(r["notes"], verbose)
    if verbose:
        lines += _how(**r["cache"])
    return "\n".join(lines)


def _how(asked: int = 0, known: int = 0, smiles: int = 0, without_rdkit: int = 0) -> Iterator[str]:
    """Yield lines about how texts were read."""
    if smiles:
        by_rdkit = smiles - without_rdkit
        yield f"RDKit read {by_rdkit:,} of {smiles:,} SMILES ({by_rdkit / smiles:.2%})"
    if asked:
        yield f"{known / asked:.2%} of {asked:,} pieces came from the cache"


def _counted(counts: dict[str, int], verbose: bool) -> list[str]:
    """Return one line per reason; the rare ones only with --verbose."""
    shown = list(counts.items())[: None if verbose else 10]
    lines = [f"  {count:>8,}  {reason}" for reason, count in shown]
    more = len(counts) - len(shown)
    return [*lines, f"  and {more} more kinds; --verbose shows them"] if more else lines
