"""What vectors and encoders are worth on tasks with labels.

    python -m benchmarks.bench_downstream frozen
    python -m benchmarks.bench_downstream trained --checkpoint run/

``frozen``: tasks of others with their published splits, frozen vectors under LightGBM. ``trained``:
affinity and cell penetration, with splits of ours, and encoders that are trained on.
"""

from __future__ import annotations

import click

from benchmarks.downstream.frozen import frozen
from benchmarks.downstream.trained import trained


@click.group()
def main() -> None:
    """Measure what vectors and encoders are worth."""


main.add_command(frozen)
main.add_command(trained)

if __name__ == "__main__":
    main()
