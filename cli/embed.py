"""``pepland-embed``: peptides to vectors of a pre-trained encoder."""

from __future__ import annotations

from typing import Any

import click

from pepland_cli import options
from pepland_cli.output import EXIT_REJECTED, Command, json_option, render

EPILOG = """\b
Examples:
  pepland-embed --checkpoint run/ peptides.csv -o emb.parquet
  pepland-embed --checkpoint run/ data/ -o emb.zarr --level atom
  pepland-embed --checkpoint fine/ new.csv --predict -o predictions.csv
  pepland-embed --checkpoint run/ --text 'NCC(=O)NCC(=O)O' --text ACDEFGH -o two.npz
"""


@click.command(cls=Command, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="[INPUT]", required=False)
@click.option(
    "--checkpoint",
    required=True,
    help="Run folder, checkpoint folder or model folder of the encoder.",
)
@click.option("-o", "--out", required=True, help="File to write: .parquet, .npz or .zarr.")
@click.option(
    "--predict", is_flag=True,
    help="Write the predictions of a fine-tuned run instead of vectors: .parquet, .csv or .npz.",
)  # fmt: skip
@click.option("--text", "texts", multiple=True, help="A peptide instead of INPUT; may be repeated.")
@click.option(
    "--level", type=click.Choice(["peptide", "atom", "fragment"]), default="peptide",
    show_default=True, help="One vector per peptide, per atom or per fragment.",
)  # fmt: skip
@click.option(
    "--view", type=click.Choice(["both", "atom", "fragment"]), default="both", show_default=True,
    help="Nodes that a vector is pooled from; both: the mean of both vectors.",
)  # fmt: skip
@click.option(
    "--pooling", type=click.Choice(["mean", "max"]), default="mean", show_default=True,
    help="How the vectors of the nodes become one vector.",
)  # fmt: skip
@options.smiles_column
@options.input_format
@options.trained_cut
@options.max_atoms
@options.standardize
@click.option(
    "--exact", is_flag=True,
    help="Compute each peptide alone: bit-identical vectors in any input, but slower.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@options.max_reject_frac
@json_option
def main(
    source: str | None, checkpoint: str, out: str, predict: bool, texts: tuple[str, ...],
    level: str, view: str, pooling: str, smiles_column: str | None, input_format: str,
    cut: str | None, max_atoms: int, standardize: bool, exact: bool, device: str,
    max_reject_frac: float, as_json: bool,
) -> None:  # fmt: skip
    """Write one vector for each peptide of INPUT, in the order of INPUT.

    INPUT is a store, or a file that pepland-data build can read, or - for standard input. A peptide
    that cannot be read becomes null with a reason.
    """
    if (source is None) == (not texts):
        raise click.UsageError("give either INPUT or --text")
    if predict and (level, view, pooling) != ("peptide", "both", "mean"):
        raise click.UsageError("--predict knows what its model pools; leave out --level and others")
    from pepland_data.chem.conversion import FeaturizeOptions
    from pepland_model.embed.embed import EmbedInput, embed
    from pepland_model.finetune.predict import predict as run_predict
    from pepland_model.finetune.predictor import model_folders
    from pepland_model.network.pooling import Pooling
    from pepland_model.run.load_encoder import trained_cut

    cut = cut or trained_cut(model_folders(checkpoint)[0] if predict else checkpoint)
    featurize = FeaturizeOptions(cut or "adafrag", input_format, max_atoms, standardize)
    where = EmbedInput(source or "", texts, smiles_column, featurize)
    with shown() as progress:
        if predict:
            report = run_predict(checkpoint, where, out, device, exact, progress)
        else:
            wanted = Pooling(level, view, pooling)
            report = embed(checkpoint, where, out, wanted, device, exact, progress)
    render(report, as_json, text)
    if report["rejected"] > max_reject_frac * report["rows"] or not report["embedded"]:
        raise SystemExit(EXIT_REJECTED)


class shown:
    """A line on stderr that says how many peptides are done and how fast; with tqdm a bar."""

    def __enter__(self) -> Any:
        from importlib.util import find_spec

        self._bar: Any = None
        if find_spec("tqdm"):
            from tqdm import tqdm

            self._bar = tqdm(desc="embed", unit=" peptides", mininterval=0.2)
        return self._update

    def _update(self, rows: int) -> None:
        if self._bar is not None:
            self._bar.update(rows - self._bar.n)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def what(report: dict[str, Any]) -> str:
    """Return what was written."""
    if "width" in report:
        return f"vectors of {report['width']}"
    return f"{report['task']} of {report['target']}, mean of {report['seeds']} models"


def text(report: dict[str, Any]) -> str:
    """Return the summary on screen."""
    rate = report["rows"] / max(report["seconds"], 1e-9)
    lines = [
        f"{report['out']}: {report['embedded']:,} of {report['rows']:,} rows in "
        f"{report['seconds']:.1f} s ({rate:,.0f} rows/s), {what(report)}"
    ]
    if report["rejected"]:
        lines.append(f"{report['rejected']:,} rows have none (null, with the reason beside):")
        lines += [f"  {count:>8,}  {reason}" for reason, count in report["reasons"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
