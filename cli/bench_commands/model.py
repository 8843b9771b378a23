"""``pepland-bench model``: speed of the network on this machine, and its limits."""

from __future__ import annotations

from typing import Any

import click

from pepland_cli.output import Command, json_option, render, say

EPILOG = """\b
Examples:
  pepland-bench model
  pepland-bench model data/ --batch-size 512 --batch-size 4096 --precision bf16
  pepland-bench model data/ --output fused --no-baseline --json
  pepland-bench model data/ --count --dedup always
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("store", type=click.Path(), required=False)
@click.option("--batch-size", "sizes", type=click.IntRange(1), multiple=True,
              help="Graphs per batch; may be repeated [default: 64 and 512].")  # fmt: skip
@click.option("--precision", "precisions", multiple=True,
              type=click.Choice(["fp32", "tf32", "bf16", "fp16"]),
              help="Number format; may be repeated [default: fp32].")  # fmt: skip
@click.option("--output", type=click.Choice(["homo", "checkpoint", "fused"]), default="homo",
              show_default=True, help="Which vector of a node is the result, as --output of "
              "pepland-train.")  # fmt: skip
@click.option("--graphs", type=click.IntRange(1), default=1024, show_default=True,
              help="Largest number of graphs for inference.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0), default=1.0, show_default=True,
              help="Seconds for each figure; at least three calls are made.")  # fmt: skip
@click.option("--baseline/--no-baseline", default=True, show_default=True,
              help="Also measure the published formulation with DGL.")  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=None,
    help="Number of threads of torch [default: as torch chooses].",
)
@click.option("--processor-time", is_flag=True,
              help="Measure processor time, with one thread: for a shared machine.")  # fmt: skip
@click.option("--count", is_flag=True,
              help="Measure no time; count what one training step of one batch [512] asks of a "
              "GPU. No GPU is needed.")  # fmt: skip
@click.option("--dedup", type=click.Choice(["auto", "always", "never"]), default="auto",
              show_default=True, help="With --count: whether vectors that are equal in a batch are "
              "computed once. auto is what training on a GPU does.")  # fmt: skip
@json_option
def model(
    store: str | None,
    sizes: tuple[int, ...],
    precisions: tuple[str, ...],
    output: str,
    graphs: int,
    seconds: float,
    baseline: bool,
    device: str,
    threads: int | None,
    processor_time: bool,
    count: bool,
    dedup: str,
    as_json: bool,
) -> None:
    """Measure how many peptides per second the network computes and trains on this machine.

    The graphs are those of STORE, or of the bundled sample. Each line of the answer adds one
    technique to the line before. On a CPU, the slow ones run on 32 graphs, at the first batch size
    only. The column roofline is the share of the speed that the arithmetic and the memory of this
    machine allow, as measured in the same run.

    With --count, nothing is timed. The operators of one step of pepland-train on a GPU are
    counted, without the work of the CPU. host_reads are the times that the program waits for the
    GPU; sorts_backward are the sorts that sum gradients.
    """
    import torch

    if count:
        render(counted(store, sizes, precisions, output, dedup), as_json, count_text)
        return
    from pepland_model.measure.report import report

    if threads or processor_time:
        torch.set_num_threads(threads or 1)
    result = report(
        store, sizes or (64, 512), precisions or ("fp32",), output, graphs, seconds, baseline,
        device, lambda line: say(line, err=True), processor_time,
    )  # fmt: skip
    render(result, as_json, text)


def counted(
    store: str | None, sizes: tuple[int, ...], precisions: tuple[str, ...], output: str, dedup: str
) -> dict[str, Any]:
    """Return the counts of a step; a UsageError for options that ask for several."""
    from pepland_model.measure.step_counts import count_report
    from pepland_model.run.config import ModelConfig

    if len(sizes) > 1 or len(precisions) > 1 or "fp16" in precisions:
        raise click.UsageError("--count takes one --batch-size and one --precision, but not fp16")
    model, precision = ModelConfig(output=output, dedup=dedup), (precisions or ("fp32",))[0]
    return count_report(store, sizes[0] if sizes else 512, model, precision)


def count_text(r: dict[str, Any]) -> str:
    """Return the counts as a table."""
    names = list(r["total"])
    rows = {**r["parts"], "total": r["total"]}
    return "\n".join([
        f"{r['graphs']:,} graphs, {r['atoms']:,} atoms, output {r['output']}, dedup {r['dedup']}",
        f"{'':10}" + "".join(f"{name:>16}" for name in names),
        *(f"{part:10}" + "".join(f"{row[name]:16,}" for name in names)
          for part, row in rows.items()),
    ])  # fmt: skip


def text(r: dict[str, Any]) -> str:
    """Return the result as text."""
    lines = [f"{r['graphs']:,} graphs, {r['mean_atoms']} atoms each, output {r['output']}, "
             f"on {r['device']} with {r['threads']} threads, {r['clock']} seconds"]  # fmt: skip
    for part in r["measurements"]:
        if "left_out" in part:
            lines.append(f"{part['precision']}: {part['left_out']}")
            continue
        c = part["ceilings"]
        lines += [
            f"{part['precision']}, batches of {part['batch_size']}; ceilings: "
            f"{c['gflops']:,.0f} GFLOP/s, {c['gbs']:,.1f} GB/s",
            f"  {'':12} {'batch':>5}  {'forward/s':>9} {'roofline':>8}  {'step/s':>9} "
            f"{'roofline':>8} {'kept MiB':>8}",
        ]
        lines += [
            f"  {row['variant']:12} {row['batch_size']:5}  {_cells(row)}  {row['adds']}"
            for row in part["rows"]
        ]
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> str:
    if "left_out" in row:
        return row["left_out"]
    cells = []
    for kind in ("inference", "training"):
        found = row.get(kind)
        cells.append(f"{found['graphs_per_s']['median']:9,.0f} {found['roofline_share']:8.0%}"
                     if found else f"{'-':>9} {'':8}")  # fmt: skip
    kept = f"{row['training']['kept_mib']:8,.0f}" if "training" in row else " " * 8
    return f"{cells[0]}  {cells[1]} {kept}"
