"""The dataset card of a store: a README.md that says what is in it, for people and for hubs.

The header is the metadata of the Hugging Face Hub (YAML between two lines of ``---``), so a folder
with a card can be uploaded as it is, and `datasets` reads the graphs of an Arrow store from it.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pepland_data.errors import InputError
from pepland_data.files.atomic import write_atomic_bytes
from pepland_data.files.remote import is_remote, local_path
from pepland_data.graph.columns import GROUPS
from pepland_data.store.arrow_shards import LIST_COLUMNS, TABLE_FILES
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.manifest_form import REJECTS
from pepland_data.store.summary import summarize

CARD_FILE = "README.md"
SIGNATURE = "<!-- written by pepland-data card; SHA-256 of the lines above: "
SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
"""Bounds of the size categories of the Hugging Face Hub, from a thousand on."""
TAGS = ("peptides", "chemistry", "biology", "graphs", "pepland")
MEANING = {
    "row_id": "row of the input, from 0, header not counted",
    "smiles": "text that the graph was made from",
    "atoms": "atoms in the order of RDKit: row of the table `atom`, and number of the fragment",
    "fragments": "fragments: row of the table `fragment`, and whether it is a residue",
    "bonds": "bonds, each once: numbers of both atoms, and row of the table `bond`",
    "reactions": "cut bonds, each once: numbers of both fragments, and row of the table `bond`",
}
LOAD = """\
```python
from pepland_data import GraphLoader, open_store

store = open_store("data")  # the folder of this card
print(len(store), store[0].smiles, store[0].dense()["atom_x"].shape)
for batch in GraphLoader(store, batch_size=32, device="cpu"):
    print(batch.num_graphs)
    break
```

From the Hugging Face Hub, fetch the folder with `snapshot_download(NAME, repo_type="dataset",
local_dir="data")`. Without `local_dir` it holds links to other folders, which `open_store` refuses.

Other tools read what `pepland-data export data --to parquet --out pq` writes:

```python
import pandas
import polars
from datasets import load_dataset

rows = load_dataset("parquet", data_files="pq/graphs/*.parquet", split="train")
rows = polars.read_parquet("pq/graphs/*.parquet")
rows = pandas.read_parquet("pq/graphs")
atom = pandas.read_parquet("pq/tables/atom.parquet")
features = [atom["x"][a["atom_code"]] for a in rows["atoms"][0]]  # 42 numbers for each atom
```
"""
ARROW = """
`load_dataset` of this folder, or of its name on the Hub, reads the shards without an export. Its
configurations are `graphs` and the tables `atom`, `bond` and `fragment`.
"""


def write_card(
    store: GraphStore, out: str | Path | None = None, name: str = "", licence: str = ""
) -> Path:
    """Write the card of a store and return its path.

    Args:
        store: an opened store.
        out: file to write; None for ``README.md`` in the folder of the store. A card that was
            changed by hand, or another file, is not replaced.
        name: title; the name of the folder if empty.
        licence: identifier such as ``cc-by-4.0``; if empty, a comment asks for it.

    Raises:
        InputError: there is another file at `out`, or the store is remote and `out` is not given.
    """
    if is_remote(out or store.location):
        raise InputError("a card is written to this machine; name a local file with --out")
    path = local_path(out) if out else store.path / CARD_FILE
    if path.exists() and not is_unchanged_card(path):
        raise InputError(
            f"{path} was not written by `pepland-data card`, or was changed since; "
            "name another --out, or delete it"
        )
    folder = Path(store.location) if store.mirror else store.path.resolve()
    write_atomic_bytes(path, signed(card(store, name or folder.name, licence)))
    return path


def signed(text: str) -> bytes:
    """Return a card with a last line that holds the checksum of the others."""
    return f"{text}{SIGNATURE}{sha256(text.encode()).hexdigest()} -->\n".encode()


def is_unchanged_card(path: Path) -> bool:
    """Return whether a file has the bytes that `write_card` wrote."""
    if not path.is_file():
        return False
    data = path.read_bytes()
    return data == signed(data.rpartition(SIGNATURE.encode())[0].decode(errors="replace"))


def card(store: GraphStore, name: str, licence: str) -> str:
    """Return the card as Markdown, without its last line."""
    facts = summarize(store)
    parts = [
        *header(store, name, licence),
        f"\n# {html.escape(one_line(name))}\n",
        opening(facts),
        "\n## Columns\n",
        *table(("column", "type", "meaning"), columns(store)),
        "\nA `*_code` is a row of its table, and equal rows are kept once. Row 0 of each table is "
        "the mask, which no graph uses.\n",
        *table(("table", "rows", "a row holds"), tables(facts)),
        "\n## Counts\n",
        *table(("", "number"), ((n, f"{count:,}") for n, count in facts["counts"].items())),
        "",
        *table(("per graph", *STATISTICS), distributions(facts)),
        *splits(facts),
        "\n## How it was built\n",
        *table(("", "value"), recipe(facts)),
        "\n## How to load it\n",
        LOAD + (ARROW if "graphs" in configs(store) else ""),
    ]
    return "\n".join(parts)


def header(store: GraphStore, name: str, licence: str) -> list[str]:
    """Return the lines of the metadata; a JSON text is also a YAML text."""
    asked = "# license: fill in the identifier of the licence, such as cc-by-4.0"
    lines = [
        "---",
        f"pretty_name: {json.dumps(name)}",
        f"license: {json.dumps(licence)}" if licence else asked,
        "task_categories:\n- graph-ml",
        "tags:\n" + "\n".join(f"- {tag}" for tag in TAGS),
        f"size_categories:\n- {size_category(len(store))}",
    ]
    found = configs(store)
    lines += ["configs:"] if found else []
    for config, files in found.items():
        lines += [f"- config_name: {config}"] + ["  default: true"] * (config == "graphs")
        lines.append(f"  data_files: {files}")
    return [*lines, "---"]


def size_category(rows: int) -> str:
    """Return the size category of the Hugging Face Hub for a number of rows."""
    bounds = [1000 * 10**i for i in range(len(SIZES))]
    place = sum(rows >= bound for bound in bounds)
    if place == 0:
        return f"n<{SIZES[0]}"
    return f"n>{SIZES[-1]}" if place == len(SIZES) else f"{SIZES[place - 1]}<n<{SIZES[place]}"


def configs(store: GraphStore) -> dict[str, str]:
    """Return the tables that `datasets` can read, with their files.

    It reads one format per folder: the Arrow files, or else the rejects.
    """
    if store.manifest.kind == "arrow" and len(store):
        return {"graphs": "shards/*.arrow"} | {Path(file).stem: file for file in TABLE_FILES}
    return {"rejects": REJECTS} if store.manifest.counts["rejects"] else {}


def opening(facts: Mapping[str, Any]) -> str:
    """Return what the store is, in one paragraph."""
    counts = facts["counts"]
    lost = f"; `{REJECTS}` has them with the reason" if counts["rejects"] else ""
    return (
        f"{counts['graphs']:,} peptides as heterographs of atoms and fragments, for PepLand's "
        f"PharmHGT: a store of pepland-data, format 1, kind {facts['kind']}, "
        f"{facts['bytes'] / 1e6:,.1f} MB in {facts['shards']} shards. {counts['rejects']:,} of "
        f"{counts['rows']:,} rows became no graph{lost}."
    )


def columns(store: GraphStore) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and meaning of each column."""
    yield code("row_id"), "int64", MEANING["row_id"]
    yield code("smiles"), "text", MEANING["smiles"]
    for group, column in LIST_COLUMNS.items():
        fields = (f"{name} {store.manifest.dtypes[name]}" for name in GROUPS[group])
        yield code(column), f"list of {', '.join(fields)}", MEANING[column]
    for name, kind in store.column_types().items():
        yield code(name), code(str(kind)), "column of the input"


def tables(facts: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name, rows and content of each table."""
    holds = {
        "atom": "`label`: atomic number - 1, and chiral tag; `x`: 42 float32",
        "bond": "`x`: 14 uint8",
        "fragment": "`smiles`; `x`: 196 uint8",
    }
    for name, rows in facts["tables"].items():
        yield code(name), f"{rows + 1:,}", holds[name]


STATISTICS = ("mean", "min", "p5", "median", "p95", "max")


def distributions(facts: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the statistics of the sizes of a graph."""
    for name, found in facts["distributions"].items():
        if found:
            yield name, *(f"{found[key]:,.0f}" for key in STATISTICS)


def splits(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the recorded splits as a table; nothing if there are none."""
    if facts["splits"]:
        yield ""
        yield from table(("split", "by", "graphs"), (
            (code(s["name"]), s["method"], ", ".join(f"{n} {c:,}" for n, c in s["sets"].items()))
            for s in facts["splits"]
        ))  # fmt: skip


def recipe(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield input, versions and options of the build."""
    for title in ("input", "versions", "options"):
        for key, value in facts[title].items():
            if key == "parts":
                value = f"{len(value)} inputs, in the manifest"
            shown = value if isinstance(value, str) else json.dumps(value)
            yield f"{title}: {html.escape(one_line(key))}", code(shown)


def table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a Markdown table; its cells are Markdown."""
    head = tuple(head)
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def code(text: str) -> str:
    """Return any text as code in a cell of a table."""
    if re.fullmatch(r"[\w .,:-]+", text):
        return f"`{text}`"
    return f"<code>{html.escape(one_line(text), quote=False).replace('|', '&#124;')}</code>"


def one_line(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())
