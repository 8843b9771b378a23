"""What a graph, a batch and a store show in a notebook.

The classes name these functions and do not import them: graphs and batches need no RDKit, and a
picture does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import product
from typing import TYPE_CHECKING, Any

from pepland_data.errors import InputError, InvalidMoleculeError
from pepland_data.graph.columns import GROUPS
from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.html_parts import block, scrolled, short, table
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.summary import summarize

if TYPE_CHECKING:
    from pepland_data.batch.hetero_batch import HeteroBatch

MOST_ATOMS = 200
"""Graphs with more atoms are shown without a picture, which would be too large for a page."""
MOST_PEPTIDES, MOST_COLUMNS = 5, 6
"""How many peptides of a store are shown, with how many of their columns."""
STATISTICS = ("mean", "p5", "median", "p95", "max")


def graph_svg(graph: HeteroGraph) -> str:
    """Return the picture of a graph, with its fragments coloured, as an SVG element on white.

    The text of the graph is read again with each cut, until it gives an equal graph.

    Raises:
        InputError: no cut gives an equal graph, or the molecule is too large.
        ModuleNotFoundError: RDKit is not installed.
    """
    from pepland_data.chem.conversion import CUT_NAMES, FeaturizeOptions
    from pepland_data.draw.drawing import examine, molecule_svg
    from pepland_data.report.molecules import element

    for cut, notation in product(CUT_NAMES, ("auto", "smiles", "sequence")):
        try:
            shown = examine(graph.smiles, FeaturizeOptions(cut, notation))
        except InvalidMoleculeError:
            continue
        if shown.graph == graph:
            return _sized(element(molecule_svg(shown), graph.smiles))
    raise InputError("the text of the graph does not give it again; draw it with `show --monomers`")


def _sized(svg: str) -> str:
    """Return an SVG element with width and height, as viewers of SVG files need them."""
    width, height = re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0]
    return svg.replace("<svg ", f'<svg width="{width}" height="{height}" ', 1)


def graph_html(graph: HeteroGraph) -> str:
    """Return the picture of a graph, and its numbers of atoms, fragments, bonds and reactions."""
    try:
        picture = scrolled(graph_svg(graph)) if 0 < graph.num_atoms <= MOST_ATOMS else ""
    except (InputError, ImportError):
        picture = ""
    c = graph.columns
    arrays = {name: getattr(c, name) for names in GROUPS.values() for name in names}
    counts = {group: int(c.sizes(group).sum()) for group in GROUPS}
    about = f"of {short(graph.smiles)}" if graph.smiles else "without text"
    return block("HeteroGraph", about, picture, _groups(counts, arrays))


def batch_html(batch: HeteroBatch) -> str:
    """Return the numbers of a batch, and the shapes and types of its arrays and tables."""
    counts = {group: int(getattr(batch, f"{group}_ptr")[-1]) for group in GROUPS}
    arrays = {name: getattr(batch, name) for names in GROUPS.values() for name in names}
    tables = {f.name: getattr(batch.tables, f.name) for f in fields(batch.tables)[1:]}
    about = f"of {batch.num_graphs:,} graphs on {batch.device}, {batch.nbytes:,} bytes"
    shapes = table(("table", "array"), ((name, _array(x)) for name, x in tables.items()))
    return block("HeteroBatch", about, _groups(counts, arrays), shapes)


def _groups(counts: Mapping[str, int], arrays: Mapping[str, Any]) -> str:
    """Return a table with a row for each kind of node and edge."""
    rows = (
        (f"{group}s", counts[group], ", ".join(f"{n} {_array(arrays[n])}" for n in names))
        for group, names in GROUPS.items()
    )
    return table(("", "number", "arrays"), rows)


def _array(array: Any) -> str:
    """Return shape and type of a numpy array or tensor, such as ``[120, 42] float32``."""
    return f"{list(array.shape)} {str(array.dtype).removeprefix('torch.')}"


def store_html(store: GraphStore) -> str:
    """Return counts, sizes, columns and splits of a store, and its first peptides."""
    facts = summarize(store)
    counts = facts["counts"]
    about = (
        f"{facts['path']}: {counts['graphs']:,} graphs of {counts['rows']:,} rows, "
        f"{counts['rejects']:,} rejected; {facts['bytes'] / 1e6:,.1f} MB in {facts['shards']:,} "
        f"{facts['kind']} shard{'' if facts['shards'] == 1 else 's'}"
    )
    sizes = (
        (name, counts[name], *(round(found[key]) for key in STATISTICS))
        for name, found in facts["distributions"].items()
        if found
    )
    tables = (
        (f"{name} table", f"{rows:,} distinct rows") for name, rows in facts["tables"].items()
    )
    columns = ((f"column {name}", str(kind)) for name, kind in store.column_types().items())
    splits = (
        (f"split {s['name']}", ", ".join(f"{k} {v:,}" for k, v in s["sets"].items()))
        for s in facts["splits"]
    )
    return block(
        "GraphStore",
        about,
        table(("per graph", "all", *STATISTICS), sizes),
        table(("", "content"), (*tables, *columns, *splits)),
        table(("row", "text", *list(store.columns)[:MOST_COLUMNS]), _peptides(store)),
    )


def _peptides(store: GraphStore) -> Iterator[tuple[Any, ...]]:
    """Yield the first rows of a store; none of a remote one, whose shards would be fetched."""
    if store.mirror is None and len(store):
        names = ["smiles", *list(store.columns)[:MOST_COLUMNS]]
        arrays = [store.shard_array(0, name).slice(0, MOST_PEPTIDES) for name in names]
        for row, values in enumerate(zip(*(a.to_pylist() for a in arrays), strict=True)):
            yield str(row), *values
