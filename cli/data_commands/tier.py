"""``pepland-data tier``: where a corpus would be kept for training, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from pepland_cli.output import Command, json_option, render
from pepland_data.loader.tiers.choice import (
    RESERVE,
    choose_tier,
    free_host_bytes,
    parse_size,
    readable,
    zarr_stores,
)


@click.command(cls=Command, epilog="Example: pepland-data tier data/ --memory 24GiB")
@click.argument("stores", type=click.Path(), nargs=-1, required=True)
@click.option(
    "--memory", default=None, help="Free memory of the GPU, such as 24GiB; leave it out for a CPU."
)
@click.option("--host-memory", default=None, help="Free memory of the machine [default: this one].")
@click.option("--reserve", type=float, default=RESERVE, show_default=True,
              help="Share of the free memory that is left to training.")  # fmt: skip
@json_option
def tier(
    stores: tuple[str, ...],
    memory: str | None,
    host_memory: str | None,
    reserve: float,
    as_json: bool,
) -> None:
    """Show where the graphs of STORES would be kept in training, and why.

    There are three places, called tiers, the fastest first: device (the memory of the GPU), host
    (the memory of the machine) and mmap (the disk). Training takes the fastest one that fits.
    """
    from pepland_data import open_store

    device = parse_size(memory) if memory else None
    host = parse_size(host_memory) if host_memory else free_host_bytes()
    opened = [open_store(path) for path in stores]
    found = choose_tier(opened, "auto", device, host, reserve)
    fits = {"device": found.fits(device), "host": found.fits(host), "mmap": not zarr_stores(opened)}
    graphs = sum(len(store) for store in opened)
    result = {"stores": list(stores), "graphs": graphs, **asdict(found), "fits": fits}
    render(result, as_json, text)


def text(r: dict[str, Any]) -> str:
    """Return the result as text."""
    each = r["need_bytes"] / max(1, r["graphs"])
    need = readable(r["need_bytes"])
    lines = [r["reason"], f"  {r['graphs']:,} graphs need {need}, {each:,.0f} bytes per graph"]
    free = {"device": r["device_bytes"], "host": r["host_bytes"]}
    for name, room in free.items():
        known = "no device given (--memory)" if room is None else f"{readable(room)} free"
        lines.append(f"  {name:<7} {'fits' if r['fits'][name] else 'does not fit':<13} {known}")
    mapped = "reads the mapped files, needs no memory of its own"
    mmap = f"fits          {mapped}" if r["fits"]["mmap"] else "not for Zarr  convert to arrow"
    lines.append(f"  mmap    {mmap}")
    return "\n".join(lines)
