"""Does this GPU ever wait for batches, and how fast does it train?

One command measures on one store, without RDKit, DGL or Zarr: every tier at full speed and with
a step of five milliseconds; whether the device tier makes batches without a synchronisation; the
network in forward passes and training steps at several precisions and batch sizes, with the
roofline measured in the same run; and training runs with the code of ``pepland-train`` on each
tier. Not measured: several GPUs, a cold disk.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common import record
from pepland_data import GraphLoader, open_store
from pepland_data.loader.measure import measure
from pepland_model.measure.report import report
from pepland_model.run.config import TrainConfig, with_flags
from pepland_model.run.log import events
from pepland_model.train.pretrain import pretrain

TIERS = ("mmap", "host", "device")
STEP_S = 0.005
"""Length of the step during which the next batch has to be made."""


def loaders(store: str, batch_size: int, device: str, seconds: float) -> dict[str, Any]:
    """Return tier -> graphs per second alone, and the share of waiting with a step."""
    opened = [open_store(store)]
    found = {}
    for tier in TIERS:
        seen = measure(opened, batch_size, tier, device, STEP_S, seconds)
        found[tier] = {
            "graphs_per_s": seen["alone"]["graphs_per_s"],
            "starved_share_of_5_ms_steps": seen["with_step"]["starved_share"],
            "limit": seen["with_step"]["limit"],
        }
    return found


def synchronises(store: str, batch_size: int) -> bool:
    """Return whether the host waits for the GPU during an epoch of the device tier."""
    loader = GraphLoader(open_store(store), batch_size, tier="device", device="cuda")
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in loader:
            pass
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


def training(store: str, tier: str, steps: int, out: Path, **flags: Any) -> dict[str, Any]:
    """Train for some steps; return median speed and waiting, without the first measurement."""
    fixed = {"shards": (store,), "out": str(out), "tier": tier, "max_steps": steps,
             "eval_every": 0, "checkpoint_every": 0, "log_every": 10}  # fmt: skip
    summary = pretrain(with_flags(TrainConfig(), {**fixed, **flags}))
    if summary is None or summary["status"] != "finished":
        raise SystemExit("a run was stopped; nothing is recorded")
    lines = list(events(out, "train"))[1:] or list(events(out, "train"))
    idle = [line["device_idle_share"] for line in lines if "device_idle_share" in line]
    return {
        "graphs_per_s": statistics.median(line["graphs_per_s"] for line in lines),
        "waiting_share": statistics.median(line["waiting_share"] for line in lines),
        "device_idle_share": statistics.median(idle) if idle else None,
        "memory_gib": lines[-1]["memory_gib"],
        "loss": lines[-1]["loss"],
    }


@click.command()
@click.argument("store")
@click.option("--device", default="cuda", show_default=True)
@click.option("--batch-size", default=512, show_default=True)
@click.option("--seconds", default=5.0, show_default=True, help="Time for each figure of a loader.")
@click.option("--steps", default=200, show_default=True, help="Steps of each training run.")
@click.option("--size", "sizes", multiple=True, type=int, default=(512, 4096),
              show_default=True, help="Batch sizes of the network's figures.")  # fmt: skip
@click.option("--precision", "precisions", multiple=True, default=("fp32", "bf16"),
              show_default=True)  # fmt: skip
@click.option("--name", default="gpu", show_default=True, help="Name of the result file.")
def main(
    store: str, device: str, batch_size: int, seconds: float, steps: int,
    sizes: tuple[int, ...], precisions: tuple[str, ...], name: str,
) -> None:  # fmt: skip
    """Measure on STORE; writes benchmarks/results/gpu.json after each part."""
    results: dict[str, Any] = {"graphs": len(open_store(store)), "batch_size": batch_size}

    def keep(part: str, found: Any) -> None:
        results[part] = found
        click.echo(f"{part}: {found}\n{record.save(name, results)}")

    keep("loader", loaders(store, batch_size, device, seconds))
    if device.startswith("cuda"):
        keep("device_tier_synchronises", synchronises(store, batch_size))
    with tempfile.TemporaryDirectory() as scratch:
        runs = {
            f"{tier}, {precision}": training(
                store, tier, steps, Path(scratch) / f"{tier}-{precision}",
                device=device, precision=precision, batch_size=batch_size,
            )
            for precision in precisions for tier in TIERS
        }  # fmt: skip
    keep("training", runs)
    said = report(store, sizes, precisions, "homo", max(sizes), seconds, False, device, click.echo)
    keep("network", said)


if __name__ == "__main__":
    main()
