"""Sequences to graphs by templates of residues, without a call of RDKit for each sequence.

The molecule is the one of RDKit's ``MolFromSequence``, in the same atom order: atoms N, CA, C, O
and side chain of each residue, and OXT at the end. The part of the graph that belongs to a residue
depends only on the residue and its place (alone, first, between or last). These templates are read
once from the graphs of small peptides. The number `LINK` in a template means the residue before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from pepland_data.chem.plain_path import plain_graph
from pepland_data.graph.columns import GROUPS, GraphColumns, columns_of_one, concat
from pepland_data.graph.table_builder import TableBuilder

Ints = npt.NDArray[np.int64]
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
ALONE, FIRST, BETWEEN, LAST = range(4)
PLACES = {ALONE: ("{}", 0), FIRST: ("{}G", 0), BETWEEN: ("G{}G", 1), LAST: ("G{}", 1)}
CARBONYL = 2
"""Place of the carbonyl carbon among the atoms of a residue."""
LINK = -1
"""In a template: the carbonyl carbon of the residue before, or the fragment of that carbon."""


class SequencePath:
    """Turns sequences of the twenty natural residues into graphs."""

    def __init__(self, cut: str, tables: TableBuilder) -> None:
        """Read the templates from 80 small peptides; their feature rows get codes in `tables`.

        The number of a template is ``20 * place + letter``.
        """
        templates = [
            _read_template(letter, place, cut, tables) for place in PLACES for letter in LETTERS
        ]
        self._columns = concat([columns for columns, _, _ in templates])
        self._pieces = np.array([pieces for _, pieces, _ in templates], np.int64)
        self._carbonyl_fragment = np.array([fragment for _, _, fragment in templates], np.int64)
        atoms = self._columns.sizes("atom")[20 * BETWEEN :]
        self._atoms = dict(zip(LETTERS, atoms.tolist(), strict=False))
        self._letter = np.zeros(128, np.int64)
        self._letter[np.frombuffer(LETTERS.encode(), np.uint8)] = np.arange(20)

    def num_atoms(self, sequence: str) -> int:
        """Return the number of heavy atoms of the peptide."""
        return int(sum(map(self._atoms.__getitem__, sequence))) + 1  # the last is OXT

    def graphs(self, sequences: Sequence[str]) -> GraphColumns:
        """Return the graphs of sequences of the twenty letters; no sequence may be empty."""
        lengths = np.array([len(s) for s in sequences], np.int64)
        stops = np.cumsum(lengths)
        starts = stops - lengths
        residues = self._letter[np.frombuffer("".join(sequences).encode("ascii"), np.uint8)]
        return self._assemble(residues + 20 * _places(starts, stops), starts, lengths)

    def _assemble(self, chosen: Ints, starts: Ints, lengths: Ints) -> GraphColumns:
        """Return the graphs of peptides from the templates of all their residues."""
        parts = self._columns.take(chosen)
        base = {
            "atom": _totals_before(parts.sizes("atom"), starts, lengths),
            "fragment": _totals_before(parts.sizes("fragment"), starts, lengths),
            "piece": _totals_before(self._pieces[chosen], starts, lengths),
        }
        # The meaning of LINK for each residue; a first residue has no LINK.
        before = np.maximum(np.arange(len(chosen)) - 1, 0)
        link = {
            "atom": base["atom"][before] + CARBONYL,
            "fragment": base["fragment"][before] + self._carbonyl_fragment[chosen[before]],
            "piece": base["piece"],
        }
        arrays = dict(vars(parts))
        for group, names in GROUPS.items():
            ptr = arrays[f"{group}_ptr"]
            for name in set(names).intersection(NUMBERED):
                kind, values = NUMBERED[name], arrays[name]
                linked = np.flatnonzero(values == LINK)
                values += np.repeat(base[kind], np.diff(ptr))
                values[linked] = link[kind][np.searchsorted(ptr, linked, "right") - 1]
            arrays[f"{group}_ptr"] = ptr[np.append(starts, len(chosen))]
        return GraphColumns(**arrays)


def _places(starts: Ints, stops: Ints) -> Ints:
    """Return the place of each residue: `ALONE`, `FIRST`, `BETWEEN` or `LAST`. [R] int64."""
    places = np.full(stops[-1], BETWEEN, np.int64)
    places[starts], places[stops - 1] = FIRST, LAST
    places[starts[stops - starts == 1]] = ALONE
    return places


NUMBERED = {
    "atom_fragment": "fragment",
    "fragment_residue": "piece",
    "bond_begin": "atom",
    "bond_end": "atom",
    "reaction_begin": "fragment",
    "reaction_end": "fragment",
}
"""Column of local indices -> what it numbers; the other columns hold codes."""


def _totals_before(sizes: Ints, starts: Ints, lengths: Ints) -> Ints:
    """Return the total of `sizes` before each residue in its peptide. [R] int64."""
    before = np.cumsum(sizes) - sizes
    return np.asarray(before - np.repeat(before[starts], lengths))


def _read_template(
    letter: str, place: int, cut: str, tables: TableBuilder
) -> tuple[GraphColumns, int, int]:
    """Return the part of a graph that belongs to one residue, read from a small peptide.

    Returns:
        The part as columns, where atoms, fragments and pieces are numbered from 0; the number of
        Amiibo pieces that begin in the residue; and the fragment of the carbonyl carbon.
    """
    text, position = PLACES[place]
    mol: Any = Chem.MolFromSequence(text.format(letter))
    graph = {k: np.asarray(v, np.int64) for k, v in plain_graph(mol, cut, tables).items()}
    atoms = np.array([a.GetPDBResidueInfo().GetResidueNumber() - 1 for a in mol.GetAtoms()])
    fragment, residue = graph["atom_fragment"], graph["fragment_residue"]
    fragments = atoms[_first(fragment)]
    pieces = fragments[_first(residue)] if place != ALONE else np.zeros(residue.max() + 1, int)
    bonds = np.maximum(atoms[graph["bond_begin"]], atoms[graph["bond_end"]])
    cuts = _reaction_residues(graph, bonds, fragment)
    owner = {"atom": atoms, "fragment": fragments, "bond": bonds, "reaction": cuts}
    first = {
        "atom": int(np.sum(atoms < position)),
        "fragment": int(np.sum(fragments < position)),
        "piece": int(np.sum(pieces < position)),
    }
    part = {
        name: graph[name][owner[group] == position]
        for group, names in GROUPS.items()
        for name in names
    }
    for name, kind in NUMBERED.items():
        part[name] = np.where(part[name] < first[kind], LINK, part[name] - first[kind])
    carbonyl = int(fragment[first["atom"] + CARBONYL]) - first["fragment"]
    return columns_of_one(part), int(np.sum(pieces == position)), carbonyl


def _first(label: Ints) -> Ints:
    return np.unique(label, return_index=True)[1]


def _reaction_residues(graph: dict[str, Ints], bonds: Ints, fragment: Ints) -> Ints:
    """Return the residue of each reaction: a cut bond joins two fragments. [C] int64."""
    joined = fragment[graph["bond_begin"]], fragment[graph["bond_end"]]
    cut = np.flatnonzero(joined[0] != joined[1])
    if len(cut) != len(graph["reaction_code"]):
        raise AssertionError("a cut bond of a natural residue does not separate two fragments")
    return np.asarray(bonds[cut])
