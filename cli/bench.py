"""``pepland-bench``: measure speed and limits on your own data and machine."""

from __future__ import annotations

import click

from pepland_cli.output import LazyGroup
from pepland_cli.versions import version_option

COMMANDS = {
    "estimate": (
        "pepland_cli.bench_commands.estimate:estimate",
        "What a training costs on your card.",
    ),
    "loader": (
        "pepland_cli.bench_commands.loader:loader",
        "How long a training step waits for batches.",
    ),
    "model": (
        "pepland_cli.bench_commands.model:model",
        "Peptides per second of the network, and limits.",
    ),
}


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: pepland-bench loader data/ --max-wait 1%",
)
@version_option
def main() -> None:
    """Measure the parts of a training run separately."""


if __name__ == "__main__":
    main()
