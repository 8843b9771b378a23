"""``pepland-bench loader``: whether a training step waits for batches, why, and the remedy."""

from __future__ import annotations

from typing import Any

import click

from pepland_cli.output import EXIT_FAILED, Command, json_option, render
from pepland_data.loader.tiers.choice import TIERS


class Share(click.ParamType):
    """A share of the time, such as ``1%`` or ``0.01``."""

    name = "share"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the share as a number from 0 to 1."""
        if isinstance(value, float):
            return value
        try:
            share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is not a share; write 1% or 0.01", param, ctx)
        return share


@click.command(cls=Command, epilog="Example: pepland-bench loader data/ --step-ms 5 --max-wait 1%")
@click.argument("stores", type=click.Path(), nargs=-1, required=True)
@click.option("--batch-size", type=click.IntRange(1), default=512, show_default=True,
              help="Graphs per step.")  # fmt: skip
@click.option("--tier", type=click.Choice(TIERS), default="auto", show_default=True,
              help="Where the graphs are kept: mmap (on disk), host (in memory) or device (in GPU "
              "memory). auto takes the fastest one that fits.")  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--step-ms", type=click.FloatRange(0), default=5.0, show_default=True,
              help="Milliseconds of the training step that waits for batches.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.1), default=5.0, show_default=True,
              help="Seconds of each of the two measurements.")  # fmt: skip
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=None,
    help="Number of threads of torch [default: as torch chooses].",
)
@click.option("--max-wait", type=Share(), default=None, metavar="SHARE",
              help="Largest allowed share of waiting, such as 1%; else exit code 1.")  # fmt: skip
@json_option
def loader(
    stores: tuple[str, ...],
    batch_size: int,
    tier: str,
    device: str,
    step_ms: float,
    seconds: float,
    threads: int | None,
    max_wait: float | None,
    as_json: bool,
) -> None:
    """Measure how fast batches of STORES are made, and how long a training step waits for them.

    The step is a pause of --step-ms. The answer says what limits the speed, and what to do.
    """
    import torch

    from pepland_data import open_store
    from pepland_data.loader.measure import measure

    if threads:
        torch.set_num_threads(threads)
    opened = [open_store(path) for path in stores]
    result = measure(opened, batch_size, tier, device, step_ms / 1e3, seconds)
    result["max_wait"] = max_wait
    result["passed"] = max_wait is None or result["with_step"]["starved_share"] <= max_wait
    render(result, as_json, text)
    if not result["passed"]:
        raise SystemExit(EXIT_FAILED)


def text(r: dict[str, Any]) -> str:
    """Return the result as text."""
    alone, step = r["alone"], r["with_step"]
    idle = step["device_idle_share"]
    lines = [
        f"{r['graphs']:,} graphs, batches of {r['batch_size']} on {r['device']}",
        f"  tier       {r['tier_reason']}",
        f"  alone      {alone['graphs_per_s']:,.0f} graphs per second, "
        f"{alone['bytes_per_s'] / 1e6:,.0f} MB per second",
        f"  with step  {r['step_ms']:g} ms per step: waiting {step['waiting_share']:.2%}, "
        f"{step['graphs_per_s']:,.0f} graphs per second"
        + ("" if idle is None else f", device idle {idle:.2%}"),
        f"  limit      {step['limit']}: {step['remedy']}",
    ]
    if r["max_wait"] is not None:
        verdict = "passed" if r["passed"] else "failed"
        lines.append(f"  {verdict}     at most {r['max_wait']:.2%} waiting allowed")
    return "\n".join(lines)
