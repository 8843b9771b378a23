"""Write the tables of docs/benchmarks.md, docs/gpu.md and docs/results.md from the result files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common.record import RESULTS

ROOT = Path(__file__).resolve().parent.parent
PAGE, CARDS = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "gpu.md"
WORTH = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
PEERS = (
    ("cuik_molmaker", "NVIDIA cuik-molmaker (C++)"),
    ("ogb", "OGB"),
    ("torch_geometric", "PyG"),
    ("chemprop", "Chemprop"),
)
NETWORKS = (
    ("published", "published formulation, DGL"),
    ("tables", "ours, every row"),
    ("states_once", "ours, each state once"),
)
Row = tuple[str, str]


def spread(r: dict[str, float]) -> str:
    """Return a median with the lowest and highest value."""
    return f"{r['median']:,.0f} ({r['low']:,.0f}-{r['high']:,.0f})"


def featurizers(document: dict[str, Any]) -> Iterator[Row]:
    """Yield peptides per second per core from text to graph."""
    name, f = next(iter(document["results"]["corpora"].items()))
    times = f["heterograph"]["median"] / f["rdkit_parse"]["median"]
    about = f"{name}, {f['mean_atoms']:.0f} atoms, peptides per second per core"
    yield f"**Texts to graphs**, {about}", ""
    yield "sequences of 15 residues to complete heterographs", spread(f["sequence"])
    smiles = "SMILES to complete heterographs"
    yield f"{smiles} ({times:.1f} times RDKit's parser)", spread(f["heterograph"])
    yield "the same, all read by RDKit", spread(f["rdkit_only"])
    yield "RDKit's parser alone", spread(f["rdkit_parse"])
    for key, title in PEERS:
        if key in f:
            yield f"{title} {f['peers'][key]}, atoms and bonds only", spread(f[key])


def stores(document: dict[str, Any]) -> Iterator[Row]:
    """Yield seconds, bytes and memory of a large build."""
    run = document["results"]["runs"][0]
    about = f"{run['peptides']:,} peptides of {run['atoms_a_graph']:.0f} atoms from a {run['form']}"
    yield f"**A store**, {about} file, {run['workers']} workers", ""
    yield "seconds to build; to verify every byte", f"{run['build_s']:.0f}; {run['verify_s']:.0f}"
    for other in document["results"]["runs"][1:]:
        texts = f"{other['peptides']:,} rows of {other['form'].upper()}"
        yield f"seconds to build from {texts}", f"{other['build_s']:.0f}"
    yield "bytes per graph, texts included", f"{run['bytes_a_graph']:,.0f}"
    yield "seconds to open", f"{run['open_s']:.2f}"
    memory = f"{run['parent_peak_mib']:.0f}; {run['workers_peak_mib']:.0f}"
    yield "MiB of the parent; of all other processes together, at most", memory


def loaders(document: dict[str, Any]) -> Iterator[Row]:
    """Yield graphs per second of each loader, fastest first."""
    r = document["results"]
    about = (
        f"{r['peptides']:,} peptides of {r['mean_atoms']:.0f} atoms, {r['batch_size']} per batch"
    )
    yield f"**Loaders**, {about}, graphs per second on one core, warm", ""
    ranked = sorted(r["loaders"].values(), key=lambda one: -one["graphs_per_s"]["median"])
    for one in ranked:
        few = "" if one["peptides"] == r["peptides"] else f" (on {one['peptides']:,} of them)"
        yield one["title"] + few, spread(one["graphs_per_s"])


def networks(document: dict[str, Any]) -> Iterator[Row]:
    """Yield peptides per second through the network, the published formulation first."""
    r = document["results"]
    found, corpus = r["baseline"]["found"], r["corpus"]["found"]
    atoms = f"{found['corpus']['name']}, {found['corpus']['mean_atoms']:.0f} atoms"
    yield f"**The network**, {atoms}, peptides per second of {r['baseline']['clock']} time", ""
    rates = {row["variant"]: row for row in found["rows"]}
    for variant, title in NETWORKS:
        row = rates[variant]
        for kind, name in (("inference", "forward"), ("training", "training steps")):
            if kind in row:
                yield f"{title}, {name}", spread(row[kind]["graphs_per_s"])
    many = f"{corpus['corpus']['peptides']:,} synthetic peptides, states kept"
    yield f"{many}: atom view, forward", spread(corpus["atom_view"]["graphs_per_s"])
    yield f"{many}: both views, forward", spread(corpus["both_views"]["graphs_per_s"])


def embedding(document: dict[str, Any]) -> Iterator[Row]:
    """Yield rates and latencies of embeddings."""
    r = document["results"]
    bulk, single = r["bulk"], r["single"]
    yield f"**Embeddings**, {r['settings']['atoms_a_peptide']:.0f} atoms, CPU", ""
    yield "peptides per second from a store", f"{bulk['store']['peptides_per_s']:,.0f}"
    yield "peptides per second from SMILES", f"{bulk['SMILES file']['peptides_per_s']:,.0f}"
    cold = single["model loaded and first peptide"]["median_ms"]
    known = single["states known, vector not kept"]["median_ms"]
    yield "milliseconds for one: model loaded too; loaded", f"{cold:.0f}; {known:.0f}"


TABLES = {
    "featurize": featurizers,
    "scale": stores,
    "loader": loaders,
    "model": networks,
    "embed": embedding,
}
"""Result file -> function that makes its rows; a missing file is left out."""


def table() -> str:
    """Return the table in Markdown, with machine and commands below it."""
    lines = ["| measured | median (lowest-highest) |", "| --- | --- |"]
    commands = []
    for name, rows in TABLES.items():
        if (RESULTS / f"{name}.json").exists():
            document = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
            lines += [f"| {what} | {figure} |" for what, figure in rows(document)]
            commands.append(f"`{document['command']}`")
            machine, date = document["machine"], document["date"]
    about = f"{machine['cpu']}, {machine['cores']} cores, no GPU, {date}"
    return "\n".join([*lines, "", f"{about}; {', '.join(commands)}"])


def measured(rows: list[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows with the wanted values that have a figure."""
    return [
        row
        for row in rows
        if "peptides_per_s" in row and all(row.get(k) == v for k, v in wanted.items())
    ]


def card(document: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the tables of one card."""
    r, machine = document["results"], document["machine"]
    atoms = r["store"]["per_graph"]["atom"]["mean"]
    peptides = f"{r['store']['graphs']:,} peptides of {atoms:.0f} atoms on average"
    yield f"{machine['gpu']}, {peptides}:"
    yield ""
    yield "| peptides per batch | training from shards, peptides per second | card idle | GiB |"
    yield "| --- | --- | --- | --- |"
    rows = r["end_to_end"]["found"]["rows"]
    for row in measured(rows, tier="device", precision="bf16"):
        idle = f"{row['device_idle_share']:.2%}"
        yield (f"| {row['batch']:,} | {row['peptides_per_s']:,.0f} | {idle} "
               f"| {row['peak_gib']:.1f} |")  # fmt: skip
    yield ""
    yield "| peptides per batch | vectors of peptides, peptides per second (bf16; tf32; fp32) |"
    yield "| --- | --- |"
    alone = r["steps"]["found"]
    for size in sorted({row["batch"] for row in measured(alone, kind="inference", states="once")}):
        rates = [
            f"{row['peptides_per_s']:,.0f}"
            for precision in ("bf16", "tf32", "fp32")
            for row in measured(
                alone, kind="inference", states="once", batch=size, precision=precision
            )
        ]
        yield f"| {size:,} | {'; '.join(rates)} |"
    one = r["latency"]["found"]["recorded, bf16"]["same"]
    yield ""
    yield (f"One peptide, from a graph to its vector on the host, warm: {one['median_ms']:.2f} ms "
           f"(95 % below {one['p95_ms']:.2f} ms).")  # fmt: skip
    for row in measured(alone, kind="training", states="every row", precision="bf16"):
        rate = f"{row['peptides_per_s']:,.0f} peptides per second"
        yield f"Training with every row computed, {row['batch']} per batch: {rate}."
    yield ""
    yield "A recorded step alone:"
    yield ""
    yield "| peptides per batch, precision | step, ms | kernels | time in kernels, ms | W |"
    yield "| --- | --- | --- | --- | --- |"
    for row in r["kernels"]["found"]:
        if row["kind"] == "training" and "kernels" in row:
            step = f"{row['batch']:,}, {row['precision']} | {row['wall_ms']:.2f}"
            yield f"| {step} | {row['kernels']} | {row['kernel_ms']:.2f} | {row['watts']:.0f} |"
    versions = document["versions"]
    yield ""
    about = f"torch {versions['torch']}, Triton {versions['triton']}"
    driver = r["card"]["driver_version"]
    yield f"{about}, driver {driver}, {document['date']}; `{document['command']}`"


PARTS = {
    "clean": "Test sets, with train and valid as they were made",
    "test": "Test sets as published, for comparison with published figures only",
    "valid": "Validation sets; only these may choose a row",
}


def worth(documents: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the tables of one kind of rows, frozen or fine-tuned.

    Args:
        documents: with different tasks.
    """
    tasks = {n: found for d in documents for n, found in d["results"]["tasks"].items()}
    names = {name: " (R2)" if name == "permeability" else "" for name in tasks}
    figures = [f"{n}: {'MAE' if more else 'MCC'}{more}" for n, more in names.items()]
    for part, title in PARTS.items():
        yield f"{title}:"
        yield ""
        yield f"| | {' | '.join(figures)} |"
        yield f"| --- |{' --- |' * len(tasks)}"
        rows = dict.fromkeys(row for found in tasks.values() for row in found["rows"])
        for row in rows:
            cells = [worth_of(found["rows"].get(row, {}).get(part)) for found in tasks.values()]
            yield f"| {row} | {' | '.join(cells)} |"
        yield ""
    versions = documents[0]["versions"]
    commands = ", ".join(f"`{document['command']}`" for document in documents)
    about = f"LightGBM {versions['lightgbm']}, torch {versions['torch']}, {documents[0]['date']}"
    yield f"{about}; {commands}"


def worth_of(figures: dict[str, Any] | None) -> str:
    """Return the mean of each figure of a row, task and part."""
    if not figures:
        return ""
    first, *others = [value["mean"] for value in figures.values()]
    return f"{first:.3f} ({others[0]:.2f})" if others else f"{first:.3f}"


def main() -> None:
    """Replace the tables between the markers of the pages."""
    write(PAGE, table())
    cards = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("gpu-*.json"))
    ]
    write(CARDS, "\n\n".join("\n".join(card(document)) for document in cards))
    kinds = [
        [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob(names))]
        for names in ("downstream_frozen.json", "downstream_tuned*.json")
    ]
    write(WORTH, "\n\n".join("\n".join(worth(documents)) for documents in kinds))


def write(page: Path, text: str) -> None:
    """Replace what is between the two markers of a page."""
    head, rest = page.read_text(encoding="utf-8").split(BEGIN)
    tail = rest.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
