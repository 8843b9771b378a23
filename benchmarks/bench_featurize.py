"""How fast do texts become graphs, beside RDKit's parser, on one core in one run?

Not measured: other featurizers.
"""

from __future__ import annotations

import csv

import click

from benchmarks import record
from benchmarks.bench_pipeline import featurizing
from pepland_data.resources import sample_path


@click.command()
@click.option("--count", default=300, show_default=True, help="Peptides of the sample.")
@click.option("--repeats", default=3, show_default=True)
def main(count: int, repeats: int) -> None:
    """Measure and write benchmarks/results/featurize.json."""
    with sample_path().open(newline="") as file:
        texts = [row["smiles"] for row in csv.DictReader(file)]
    click.echo(record.save("featurize", featurizing(texts[:count], repeats)))


if __name__ == "__main__":
    main()
