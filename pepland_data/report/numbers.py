"""All numbers of a report: a plain dict of one or two stores."""

from __future__ import annotations

from typing import Any

import numpy as np

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.monomers.given import GivenMonomers, check_same
from pepland_data.errors import MissingDependencyError
from pepland_data.graph.vocabulary import Vocabulary
from pepland_data.store.graph_store import GraphStore
from pepland_data.store.split.recorded import Split, open_split, split_names

SHAPES, RESIDUES = 20_000, 2_000
"""Most peptides whose rings, and whose residues, are counted."""
GALLERY, LARGEST = 12, 200
"""Peptides that are drawn, and the most heavy atoms of one."""
MOST_SPLITS = 4


def corpus_numbers(
    store: GraphStore,
    other: GraphStore | None = None,
    vocabulary: Vocabulary | None = None,
    monomers: GivenMonomers | None = None,
) -> dict[str, Any]:
    """Return what people look at before they train, as numbers and texts that JSON can hold.

    Args:
        store: an opened store.
        other: a store to compare it with.
        vocabulary: a vocabulary; None for the 258 most frequent fragments of each store.
        monomers: the monomers of HELM that the stores were built with, if any.

    Raises:
        InputError: a store was built with other monomers.
        MissingDependencyError: a package of the extra ``build`` is not installed.
    """
    try:
        from pepland_data.report.counting.drift import drift_numbers
    except ImportError as error:
        raise MissingDependencyError(
            f"the report needs RDKit and scipy ({error}); "
            "install them with `pip install 'pepland-data[report]'`"
        ) from error
    stores = [one for one in (store, other) if one is not None]
    about = [store_numbers(one, vocabulary, monomers) for one in stores]
    drift = drift_numbers(store, other, (about[0], about[1])) if other is not None else None
    return {"stores": about, "drift": drift}


def build_options(store: GraphStore, monomers: GivenMonomers | None = None) -> FeaturizeOptions:
    """Return the options that a store was built with; the monomers must be the same ones."""
    check_same(store.location, store.manifest.options.get("monomers"), monomers)
    return FeaturizeOptions.of_record(dict(store.manifest.options), monomers)


def store_numbers(
    store: GraphStore, vocabulary: Vocabulary | None, monomers: GivenMonomers | None
) -> dict[str, Any]:
    """Return the numbers of one store."""
    from pepland_data.report.counting.columns import label_numbers, note_numbers, reject_numbers
    from pepland_data.report.counting.fragments import fragment_numbers
    from pepland_data.report.counting.leakage import leakage_numbers
    from pepland_data.report.counting.residues import residue_numbers
    from pepland_data.report.counting.rows import some_rows
    from pepland_data.report.counting.sizes import shapes, tally

    m = store.manifest
    everyone = np.arange(len(store))
    found = shapes(store, some_rows(everyone, SHAPES))
    options = build_options(store, monomers)
    splits = [open_split(store, name) for name in split_names(store)]
    return {
        "path": store.location,
        "kind": m.kind,
        "input": dict(m.input),
        "versions": dict(m.versions),
        "options": dict(m.options),
        "counts": dict(m.counts),
        "columns": list(m.columns),
        "bytes": store.nbytes,
        "sizes": {
            "atoms": tally(store.num_atoms),
            "fragments": tally(store.num_fragments),
            "pieces": tally(found.pieces),
        },
        "shapes": {
            "peptides": len(found.pieces),
            "cyclic": int(found.cyclic.sum()),
            "bridged": int(found.bridged.sum()),
        },
        "residues": residue_numbers(store, some_rows(everyone, RESIDUES), options),
        "fragments": fragment_numbers(store, vocabulary),
        "splits": [leakage_numbers(store, split) for split in splits[:MOST_SPLITS]],
        "splits_left_out": max(0, len(splits) - MOST_SPLITS),
        "labels": label_numbers(store, _first(splits)),
        "rejects": reject_numbers(store),
        "notes": note_numbers(store),
        "gallery": _gallery(store),
    }


def _first(splits: list[Split]) -> Split | None:
    """Return the split ``default``, else the first one, if there is any."""
    return min(splits, key=lambda split: split.name != "default", default=None)


def _gallery(store: GraphStore) -> list[dict[str, Any]]:
    """Return peptides from the smallest to the largest that can be drawn."""
    from pepland_data.report.counting.rows import values_at

    drawable = np.flatnonzero(store.num_atoms <= LARGEST)
    drawable = drawable[np.argsort(store.num_atoms[drawable], kind="stable")]
    places = np.linspace(0, len(drawable) - 1, min(GALLERY, len(drawable))).round().astype(np.int64)
    rows = drawable[places]
    by_row = dict(zip(np.sort(rows).tolist(), values_at(store, np.sort(rows)), strict=True))
    return [
        {"row_id": int(store.row_id[row]), "text": by_row[row], "atoms": int(store.num_atoms[row])}
        for row in rows.tolist()
    ]
