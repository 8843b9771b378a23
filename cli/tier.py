"""``pepland-data tier``: where a corpus would be kept for training, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from pepland_cli.output import Command, json_option, render


@click.command(cls=Command, epilog="Example: pepland-data tier data/ --memory 24GiB")
@click.argument("stores", nargs=-1, required=True)
@click.option("--memory", default=None, help="Free memory of the GPU, such as 24GiB; none for CPU.")
@click.option("--host-memory", default=None, help="Free memory of the machine [default: this one].")
@click.option("--reserve", type=float, default=0.5, show_default=True,
              help="Share of the free memory left to training.")  # fmt: skip
@json_option
def tier(
    stores: tuple[str, ...],
    memory: str | None,
    host_memory: str | None,
    reserve: float,
    as_json: bool,
) -> None:
    """Show which tier the loader would choose for STORES, without reading a shard."""
    from pepland_data import open_store
    from pepland_data.loader.tiers.choice import (
        choose_tier,
        free_host_bytes,
        parse_size,
        zarr_stores,
    )

    device = parse_size(memory) if memory else None
    host = parse_size(host_memory) if host_memory else free_host_bytes()
    opened = [open_store(path) for path in stores]
    found = choose_tier(opened, "auto", device, host, reserve)
    fits = {"device": found.fits(device), "host": found.fits(host), "mmap": not zarr_stores(opened)}
    graphs = sum(len(store) for store in opened)
    result = {"stores": list(stores), "graphs": graphs, **asdict(found), "fits": fits}
    render(result, as_json, text)


def text(r: dict[str, Any]) -> str:
    """Return the answer on screen."""
    from pepland_data.loader.tiers.choice import size

    each = r["need_bytes"] / max(1, r["graphs"])
    lines = [
        f"{r['reason']}",
        f"  {r['graphs']:,} graphs take {size(r['need_bytes'])} in memory, {each:,.0f} bytes each",
    ]
    free = {"device": r["device_bytes"], "host": r["host_bytes"]}
    for name, room in free.items():
        known = "no device named (--memory)" if room is None else f"{size(room)} free"
        lines.append(f"  {name:<7} {'fits' if r['fits'][name] else 'does not fit':<13} {known}")
    mapped = "reads the mapped files, needs no room of its own"
    mmap = f"fits          {mapped}" if r["fits"]["mmap"] else "not for Zarr  convert to arrow"
    lines.append(f"  mmap    {mmap}")
    return "\n".join(lines)
