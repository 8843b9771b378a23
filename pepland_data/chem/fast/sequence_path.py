"""Sequences to graphs by templates of residues, without a call of RDKit for each sequence.

The molecule is the one of RDKit's ``MolFromSequence``, in the same atom order: atoms N, CA, C, O
and side chain of each residue, and OXT at the end. The part of the graph that belongs to a residue
depends only on the residue and its place (alone, first, between or last). These templates are read
once from the graphs of small peptides. The number `LINK` in a template means the residue before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from pepland_data.chem.plain_path import plain_graph
from pepland_data.graph.columns import GROUPS, GraphColumns, ragged_rows
from pepland_data.graph.table_builder import TableBuilder

Ints = npt.NDArray[np.int64]
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
ALONE, FIRST, BETWEEN, LAST = range(4)
PLACES = {ALONE: ("{}", 0), FIRST: ("{}G", 0), BETWEEN: ("G{}G", 1), LAST: ("G{}", 1)}
CARBONYL = 2
"""Place of the carbonyl carbon among the atoms of a residue."""
LINK = -1
"""In a template: the carbonyl carbon of the residue before, or the fragment of that carbon."""


@dataclass(frozen=True)
class Template:
    """The part of a graph of one residue; its atoms, fragments and pieces are numbered from 0."""

    arrays: dict[str, list[int]]
    """Column of `GROUPS` -> values."""
    pieces: int
    """Number of Amiibo pieces that begin in this residue."""
    carbonyl_fragment: int
    """Fragment of the carbonyl carbon, 0 for the first that begins in this residue."""


@dataclass(frozen=True, eq=False)
class TemplateTable:
    """All templates as ragged arrays; the number of a template is ``20 * place + letter``."""

    ptr: dict[str, Ints]
    """Group of columns -> its pointers, [81] int64."""
    values: dict[str, Ints]
    """Column -> the values of all templates, flat int64."""
    pieces: Ints
    """[80] int64."""
    carbonyl_fragment: Ints
    """[80] int64."""


class SequencePath:
    """Turns sequences of the twenty natural residues into graphs."""

    def __init__(self, cut: str, tables: TableBuilder) -> None:
        """Read the templates from 80 small peptides; their feature rows get codes in `tables`."""
        templates = [
            make_template(letter, place, cut, tables) for place in PLACES for letter in LETTERS
        ]
        self.table = _stack(templates)
        atoms = np.diff(self.table.ptr["atom"])[20 * BETWEEN :]
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
        return _assemble(self.table, residues + 20 * _places(starts, stops), starts, lengths)


def _places(starts: Ints, stops: Ints) -> Ints:
    """Return the place of each residue: `ALONE`, `FIRST`, `BETWEEN` or `LAST`. [R] int64."""
    places = np.full(stops[-1], BETWEEN, np.int64)
    places[starts], places[stops - 1] = FIRST, LAST
    places[starts[stops - starts == 1]] = ALONE
    return places


def _assemble(table: TemplateTable, chosen: Ints, starts: Ints, lengths: Ints) -> GraphColumns:
    base = {
        name: _bases(sizes[chosen], starts, lengths)
        for name, sizes in (
            ("atom", np.diff(table.ptr["atom"])),
            ("fragment", np.diff(table.ptr["fragment"])),
            ("piece", table.pieces),
        )
    }
    # The meaning of LINK for each residue; a first residue has no LINK.
    before = np.maximum(np.arange(len(chosen)) - 1, 0)
    link = {
        "atom": base["atom"][before] + CARBONYL,
        "fragment": base["fragment"][before] + table.carbonyl_fragment[chosen[before]],
        "piece": base["piece"],
    }
    made: dict[str, Any] = {}
    for group, names in GROUPS.items():
        rows, ptr = ragged_rows(table.ptr[group], chosen)
        made[f"{group}_ptr"] = ptr[np.append(starts, len(chosen))]
        for name in names:
            made[name] = table.values[name][rows]
            counted = COUNTED.get(name)
            if counted:
                linked = np.flatnonzero(made[name] == LINK)
                made[name] += np.repeat(base[counted], np.diff(ptr))
                made[name][linked] = link[counted][np.searchsorted(ptr, linked, "right") - 1]
    return GraphColumns(**made)


COUNTED = {
    "atom_fragment": "fragment",
    "fragment_residue": "piece",
    "bond_begin": "atom",
    "bond_end": "atom",
    "reaction_begin": "fragment",
    "reaction_end": "fragment",
}
"""Column of local indices -> what it numbers; the other columns hold codes."""


def _bases(sizes: Ints, starts: Ints, lengths: Ints) -> Ints:
    """Return the total of `sizes` before each residue in its peptide. [R] int64."""
    before = np.cumsum(sizes) - sizes
    return np.asarray(before - np.repeat(before[starts], lengths))


def make_template(letter: str, place: int, cut: str, tables: TableBuilder) -> Template:
    """Read the template of a residue from the graph of the small peptide for its place."""
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
    arrays = {
        name: _local(graph[name][owner[group] == position], first.get(COUNTED.get(name, ""), 0))
        for group, names in GROUPS.items()
        for name in names
    }
    carbonyl = int(fragment[first["atom"] + CARBONYL]) - first["fragment"]
    return Template(arrays, int(np.sum(pieces == position)), carbonyl)


def _first(label: Ints) -> Ints:
    return np.unique(label, return_index=True)[1]


def _reaction_residues(graph: dict[str, Ints], bonds: Ints, fragment: Ints) -> Ints:
    """Return the residue of each reaction: a cut bond joins two fragments. [C] int64."""
    joined = fragment[graph["bond_begin"]], fragment[graph["bond_end"]]
    cut = np.flatnonzero(joined[0] != joined[1])
    if len(cut) != len(graph["reaction_code"]):
        raise AssertionError("a cut bond of a natural residue does not separate two fragments")
    return np.asarray(bonds[cut])


def _local(values: Ints, first: int) -> list[int]:
    """Return numbers counted from `first`, LINK for smaller ones."""
    local: list[int] = np.where(values < first, LINK, values - first).tolist()
    return local


def _stack(templates: Sequence[Template]) -> TemplateTable:
    ptr, values = {}, {}
    for group, names in GROUPS.items():
        sizes = [len(t.arrays[names[0]]) for t in templates]
        ptr[group] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        for name in names:
            values[name] = np.array([v for t in templates for v in t.arrays[name]], np.int64)
    pieces = np.array([t.pieces for t in templates], np.int64)
    carbonyl = np.array([t.carbonyl_fragment for t in templates], np.int64)
    return TemplateTable(ptr, values, pieces, carbonyl)
