"""``pepland-bench``: measure speed and limits on your own data and machine."""

from __future__ import annotations

import click

from pepland_cli.output import LazyGroup
from pepland_cli.versions import version_option

COMMANDS = {
    "estimate": (
        "pepland_cli.bench_commands.estimate:estimate",
        "What a training costs on a GPU: memory, hours, money.",
    ),
    "loader": (
        "pepland_cli.bench_commands.loader:loader",
        "How long a training step waits for its data.",
    ),
    "model": (
        "pepland_cli.bench_commands.model:model",
        "Peptides per second that the network computes.",
    ),
}


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: pepland-bench estimate data/ --gpu rtx-4090",
)
@version_option
def main() -> None:
    """Estimate what a training costs, or measure its parts on this machine."""


if __name__ == "__main__":
    main()
