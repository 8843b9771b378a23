"""Residues by name, from the HELM of some peptides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.notation.detect import detect_notation
from pepland_data.chem.notation.parse import parse
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.chem.residues.symbols import symbols_of
from pepland_data.chem.residues.to_helm import helm_of_molecule
from pepland_data.errors import InvalidMoleculeError
from pepland_data.report.counting.rows import Rows, values_at
from pepland_data.report.counting.sizes import tally
from pepland_data.store.graph_store import GraphStore

NATURAL = frozenset("ACDEFGHIKLMNPQRSTVWY")
"""Residues that are no others: the 20 that the genetic code has."""
CHAIN = re.compile(r"PEPTIDE\d+\{([^}]*)\}")
TOKEN = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]|[A-Za-z]")
"""A monomer in a chain: a letter, or a symbol or SMILES in brackets."""
MOST_NAMES = 30
"""Residues and reasons that are listed."""


def residue_numbers(store: GraphStore, rows: Rows, options: FeaturizeOptions) -> dict[str, Any]:
    """Count the residues of some peptides.

    Args:
        store: an opened store.
        rows: [N] int64, ascending.
        options: options of the build, with its monomers.

    Returns:
        `lengths` (see `sizes.tally`) and `composition` of the peptides that have HELM, how many
        have other residues than the 20 natural ones, and why the rest have no HELM.
    """
    with RdkitMessages() as log:
        found = list(_helm(store, rows, options, log))
    known = _known_residues(options)
    chains = [residues_of(helm, known) for helm, _ in found if helm]
    counts = Counter(residue for chain in chains for residue in chain)
    total = counts.total()
    other = sum(count for residue, count in counts.items() if residue not in NATURAL)
    return {
        "peptides": len(rows),
        "with_helm": len(chains),
        "source": "the column helm" if _has_column(store) else "their texts",
        "lengths": tally([len(chain) for chain in chains]),
        "residues": total,
        "distinct": len(counts),
        "composition": [
            {"residue": residue, "count": count, "share": count / total}
            for residue, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        ],
        "other_residue_share": other / total if total else None,
        "other_peptide_share": _share([not NATURAL.issuperset(chain) for chain in chains]),
        "no_helm": [
            {"reason": reason, "count": count}
            for reason, count in Counter(why for _, why in found if why).most_common(MOST_NAMES)
        ],
    }


def residues_of(helm: str, known: dict[str, bool]) -> list[str]:
    """Return the residues of a HELM text in order, without caps.

    Args:
        helm: HELM as `chem.residues` writes it.
        known: monomer as it is written -> whether it is a residue.
    """
    tokens = [token for chain in CHAIN.findall(helm) for token in TOKEN.findall(chain)]
    return [token for token in tokens if known.get(token, "[*:1]" in token and "[*:2]" in token)]


def _known_residues(options: FeaturizeOptions) -> dict[str, bool]:
    return {one.token: one.is_residue for one in symbols_of(options.monomers).values()}


def _has_column(store: GraphStore) -> bool:
    return "helm" in store.manifest.options.get("add", ())


def _helm(
    store: GraphStore, rows: Rows, options: FeaturizeOptions, log: RdkitMessages
) -> Iterator[tuple[str | None, str]]:
    """Yield the HELM of each row, or None and why it has none."""
    if _has_column(store):
        for helm in values_at(store, rows, "helm"):
            yield helm, "" if helm else "the column helm is empty"
        return
    for text in values_at(store, rows):
        if detect_notation(text, options.input_format) == "sequence" and NATURAL.issuperset(text):
            yield f"PEPTIDE1{{{'.'.join(text)}}}$$$$", ""
            continue
        try:
            mol = parse(
                text, options.input_format, options.max_atoms, log, options.monomers,
                options.lowercase,
            )  # fmt: skip
            helm = helm_of_molecule(mol, options.monomers)
            yield helm.text, helm.reason
        except InvalidMoleculeError as error:
            yield None, error.reason


def _share(flags: list[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
