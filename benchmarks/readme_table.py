"""Write the README's table of measured numbers from the result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def spread(r: dict[str, float]) -> str:
    """Return a median with its extremes."""
    return f"{r['median']:,.0f} ({r['low']:,.0f}-{r['high']:,.0f})"


def rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is measured, and the figure."""
    r = document["results"]
    load, train = r["load"], r["train"]
    f = json.loads((RESULTS / "featurize.json").read_text())["results"]
    ratio = f["rdkit_parse"]["median"] / f["heterograph"]["median"]
    return [
        ("peptides a second and core, SMILES to heterograph", spread(f["heterograph"])),
        (f"RDKit's parser alone, the ceiling ({ratio:.1f} times that)", spread(f["rdkit_parse"])),
        ("sequences of 15 residues a second and core to heterograph", spread(f["sequence_15"])),
        ("bytes a graph in the store, texts included", f"{r['bytes_per_graph']:,.0f}"),
        ("graphs a second from the loader, one core, mapped", spread(load["mmap"])),
        ("the same from memory", spread(load["host"])),
        ("peptides a second forward, every row", spread(train["every_row"]["forward"])),
        ("the same, each state once", spread(train["each_state_once"]["forward"])),
        ("peptides a second in training steps, every row", spread(train["every_row"]["step"])),
        ("the same, each state once", spread(train["each_state_once"]["step"])),
    ]


def table(document: dict[str, Any]) -> str:
    """Return the table in Markdown with machine and command below it."""
    r, machine = document["results"], document["machine"]
    lines = ["| measured | median (lowest-highest) |", "| --- | --- |"]
    lines += [f"| {what} | {figure} |" for what, figure in rows(document)]
    lines += [
        "",
        f"{r['input']}: {r['graphs']:,} peptides of {r['mean_atoms']:.0f} atoms; training "
        f"batches of "
        f"{r['batch_size']}; {machine['cpu']}, {machine['cores']} cores, {document['date']}, "
        f"`{document['command']}`",
    ]
    return "\n".join(lines)


def main() -> None:
    """Put the table between its marks."""
    document = json.loads((RESULTS / "pipeline.json").read_text())
    text = README.read_text()
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    README.write_text(f"{head}{BEGIN}\n{table(document)}\n{END}{tail}")


if __name__ == "__main__":
    main()
