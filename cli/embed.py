"""``pepland-embed``: write the vectors of peptides from a pre-trained encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from textwrap import shorten
from typing import Any

import click

from pepland_cli import options
from pepland_cli.output import EXIT_REJECTED, Command, json_option, render
from pepland_cli.versions import version_option

EPILOG = """\b
Examples:
  pepland-embed --checkpoint run/ peptides.csv -o emb.parquet
  pepland-embed --checkpoint run/ data/ -o emb.zarr --level atom
  pepland-embed --checkpoint fine/ new.csv --predict -o predictions.csv
  pepland-embed --checkpoint run/ --text 'NCC(=O)NCC(=O)O' --text ACDEFGH -o two.npz
"""
PLAIN = ("peptide", "both", "mean", "mean")


@click.command(
    cls=Command, epilog=EPILOG, first=("checkpoint", "out", "predict", "texts", "device"),
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
@click.argument("source", type=click.Path(), metavar="[INPUT]", required=False)
@click.option(
    "--checkpoint",
    type=click.Path(),
    required=True,
    help="Trained network: a run folder of pepland-train, or one of its checkpoints.",
)
@click.option(
    "-o", "--out", type=click.Path(), required=True, help="File to write: .parquet, .npz or .zarr."
)
@click.option(
    "--predict", is_flag=True,
    help="Write the predictions of a fine-tuned run instead of vectors, to .parquet, .csv or .npz.",
)  # fmt: skip
@click.option("--text", "texts", multiple=True, help="A peptide as text; may be repeated.")
@click.option(
    "--level", type=click.Choice(["peptide", "atom", "fragment"]), default="peptide",
    show_default=True, help="One vector per peptide, or one per atom or fragment.",
)  # fmt: skip
@click.option(
    "--view", type=click.Choice(["both", "atom", "fragment"]), default="both", show_default=True,
    help="Nodes whose vectors become the one of the peptide; both: the mean of the two.",
)  # fmt: skip
@click.option(
    "--pooling", type=click.Choice(["mean", "max"]), default="mean", show_default=True,
    help="How the vectors of the nodes become one: their mean, or the largest of each number.",
)  # fmt: skip
@click.option(
    "--readout", type=click.Choice(["mean", "rounds", "full"]), default="mean",
    show_default=True, help="What the vector of a peptide holds. mean: the pooled vectors of its "
    "nodes; rounds: their means and sums after every round of message passing, and sizes; full: "
    "fragment counts too.",
)  # fmt: skip
@options.smiles_column
@options.input_format
@options.lowercase
@options.monomers
@options.trained_cut
@options.max_atoms
@options.standardize
@click.option(
    "--exact", is_flag=True,
    help="Compute each peptide alone: bit-identical vectors in every input; slower.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@options.max_reject_frac
@json_option
@version_option
def main(
    source: str | None, checkpoint: str, out: str, predict: bool, texts: tuple[str, ...],
    level: str, view: str, pooling: str, readout: str, smiles_column: str | None, input_format: str,
    lowercase: str, monomers: tuple[str, ...], cut: str | None, max_atoms: int,
    standardize: bool, exact: bool, device: str, max_reject_frac: float, as_json: bool,
) -> None:  # fmt: skip
    """Write one vector for each peptide of INPUT, in the order of its rows.

    INPUT is a file of peptides in any notation, or - for standard input, or a store (a folder made
    by pepland-data build). A peptide without a vector is null, with a reason.
    """
    if (source is None) == (not texts):
        raise click.UsageError("pass either INPUT or --text")
    if predict and (level, view, pooling, readout) != PLAIN:
        raise click.UsageError(
            "--predict pools as its model does; leave out --level, --view, --pooling and --readout"
        )
    from pepland_data.chem.conversion import FeaturizeOptions
    from pepland_model.embed.embed import EmbedInput, embed
    from pepland_model.finetune.predict import predict as run_predict
    from pepland_model.finetune.predictor import model_folders
    from pepland_model.network.pooling import Pooling
    from pepland_model.run.load_encoder import trained_cut

    cut = cut or trained_cut(model_folders(checkpoint)[0] if predict else checkpoint)
    featurize = FeaturizeOptions(
        cut or "adafrag", input_format, max_atoms, standardize,
        monomers=options.given_monomers(monomers), lowercase=lowercase,
    )  # fmt: skip
    peptides = EmbedInput(source or "", texts, smiles_column, featurize)
    with progress_bar() as progress:
        if predict:
            report = run_predict(checkpoint, peptides, out, device, exact, progress)
        else:
            which = Pooling(level, view, pooling, readout)
            report = embed(checkpoint, peptides, out, which, device, exact, progress)
    render(report, as_json, summary)
    if report["rejected"] > max_reject_frac * report["rows"] or not report["embedded"]:
        raise SystemExit(EXIT_REJECTED)


@contextmanager
def progress_bar() -> Iterator[Callable[[int], object]]:
    """Show on stderr how many peptides are done; show nothing where tqdm is not installed."""
    if not find_spec("tqdm"):
        yield lambda rows: None
        return
    from tqdm import tqdm

    with tqdm(desc="embed", unit=" peptides", mininterval=0.2) as bar:
        yield lambda rows: bar.update(rows - bar.n)


def summary(report: dict[str, Any]) -> str:
    """Return the summary on screen."""
    rate = report["rows"] / max(report["seconds"], 1e-9)
    if "width" in report:
        content = f"vectors of {report['width']}"
    else:
        target = shorten(report["target"], 60, placeholder=" and others")
        content = f"{report['task']} of {target}, mean of {report['seeds']} models"
    lines = [
        f"{report['out']}: {report['embedded']:,} of {report['rows']:,} rows in "
        f"{report['seconds']:.1f} s ({rate:,.0f} rows/s), {content}"
    ]
    if report["rejected"]:
        lines.append(f"{report['rejected']:,} rows have none (null, with a reason):")
        lines += [f"  {count:>8,}  {reason}" for reason, count in report["reasons"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
