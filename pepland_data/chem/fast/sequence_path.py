"""Sequences and linear HELM to graphs by templates, without a call of RDKit for each text.

The molecule is the one of RDKit's ``MolFromSequence`` or ``MolFromHELM``, in the same atom order:
atoms N, CA, C, O and side chain of each residue, and OXT at the end. The part of the graph that
belongs to a residue depends only on the residue and its place (alone, first, between or last). The
caps of HELM, acetyl and amide, are parts of the residues that they are bonded to. These templates
are read once from the graphs of small peptides. The number `LINK` in a template means the residue
before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
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
PLACES = {ALONE: ("{}", 0), FIRST: ("{}.G", 0), BETWEEN: ("G.{}.G", 1), LAST: ("G.{}", 1)}
LINEAR = re.compile(r"PEPTIDE[1-9]\{([^{}]+)\}\$\$\$\$(?:V2\.0)?")
RESIDUES = frozenset((
    *LETTERS, *(f"[d{letter}]" for letter in LETTERS if letter != "G"),
    "[Abu]", "[Nle]", "[Nva]", "[Orn]", "[Sar]",
))  # fmt: skip
"""Residues of HELM that have templates, besides those with caps."""
LINK = -1
"""In a template: the carbonyl carbon of the residue before, or the fragment of that carbon."""


def helm_residues(text: str) -> list[str]:
    """Return the residues of a linear peptide in HELM, with their caps; none for other texts."""
    match = LINEAR.fullmatch(text)
    monomers = match[1].split(".") if match else []
    first = int(monomers[:1] == ["[ac]"])
    last = len(monomers) - (monomers[-1:] == ["[am]"])
    residues = monomers[first:last]
    closed = residues[:1] == ["[Glp]"] and not first  # pyroglutamate has no point before it
    if residues and RESIDUES.issuperset(residues[closed:]):
        residues[0] = ".".join([*monomers[:first], residues[0]])
        residues[-1] = ".".join([residues[-1], *monomers[last:]])
        return residues
    return []


class SequencePath:
    """Turns sequences and linear HELM into graphs."""

    def __init__(self, cut: str, tables: TableBuilder) -> None:
        """Read the templates from 80 small peptides; their feature rows get codes in `tables`.

        The number of such a template is ``20 * place + letter``. Others are read when needed.
        """
        self._cut, self._tables = cut, tables
        self._templates: list[tuple[GraphColumns, int, int, int]] = []
        self._numbers: dict[tuple[str, int], int] = {}
        for place in PLACES:
            for letter in LETTERS:
                self._number(letter, place)
        self._join()
        self._atoms = dict(zip(LETTERS, self._sizes[20 * BETWEEN :].tolist(), strict=False))
        self._letter = np.zeros(128, np.int64)
        self._letter[np.frombuffer(LETTERS.encode(), np.uint8)] = np.arange(20)

    def _number(self, residue: str, place: int) -> int:
        """Return the number of a template, which is read if it is new."""
        key = residue, place
        if key not in self._numbers:
            self._numbers[key] = len(self._templates)
            self._templates.append(_read_template(residue, place, self._cut, self._tables))
        return self._numbers[key]

    def _join(self) -> None:
        """Make the templates one set of columns."""
        columns, pieces, fragments, carbonyls = zip(*self._templates, strict=True)
        self._columns = concat(columns)
        self._sizes = self._columns.sizes("atom")
        self._pieces, self._carbonyl_fragment, self._carbonyl = (
            np.array(values, np.int64) for values in (pieces, fragments, carbonyls)
        )

    def num_atoms(self, sequence: str) -> int:
        """Return the number of heavy atoms of the peptide."""
        return int(sum(map(self._atoms.__getitem__, sequence))) + 1  # the last is OXT

    def helm_templates(self, text: str) -> list[int]:
        """Return the templates of a text that has `helm_residues`."""
        residues = helm_residues(text)
        last = len(residues) - 1
        places = [BETWEEN if 0 < i < last else FIRST if i < last else LAST for i in range(last + 1)]
        if last == 0:
            places = [ALONE]
        chosen = [self._number(*key) for key in zip(residues, places, strict=True)]
        if len(self._templates) > len(self._pieces):
            self._join()
        return chosen

    def num_atoms_of_helm(self, text: str) -> int:
        """Return the number of heavy atoms of a text that has `helm_residues`."""
        chosen = self.helm_templates(text)
        return int(self._sizes[chosen].sum())

    def helm_graphs(self, texts: Sequence[str]) -> GraphColumns:
        """Return the graphs of texts that have `helm_residues`."""
        chosen = [self.helm_templates(text) for text in texts]
        lengths = np.array([len(one) for one in chosen], np.int64)
        return self._assemble(
            np.array(list(chain(*chosen)), np.int64), np.cumsum(lengths) - lengths, lengths
        )

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
            "atom": base["atom"][before] + self._carbonyl[chosen[before]],
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
    residue: str, place: int, cut: str, tables: TableBuilder
) -> tuple[GraphColumns, int, int, int]:
    """Return the part of a graph that belongs to one residue, read from a small peptide.

    Returns:
        The part as columns, where atoms, fragments and pieces are numbered from 0; the number of
        Amiibo pieces that begin in the residue; and the fragment and the atom of the carbonyl
        carbon to which the next residue is bonded.
    """
    text, position = PLACES[place]
    mol: Any = Chem.MolFromHELM(f"PEPTIDE1{{{text.format(residue)}}}$$$$")
    graph = {k: np.asarray(v, np.int64) for k, v in plain_graph(mol, cut, tables).items()}
    atoms = _places_of_atoms(mol, position, residue.count(".") + 1)
    fragment, pieces_of = graph["atom_fragment"], graph["fragment_residue"]
    fragments = atoms[_first(fragment)]
    pieces = fragments[_first(pieces_of)] if place != ALONE else np.zeros(pieces_of.max() + 1, int)
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
    names = [atom.GetPDBResidueInfo().GetName() for atom in mol.GetAtoms()]
    carbonyl = max(i for i in np.flatnonzero(atoms == position).tolist() if names[i] == " C  ")
    return (
        columns_of_one(part), int(np.sum(pieces == position)),
        int(fragment[carbonyl]) - first["fragment"], carbonyl - first["atom"],
    )  # fmt: skip


def _places_of_atoms(mol: Any, position: int, monomers: int) -> Ints:
    """Return ``position`` for the atoms of a residue of some monomers, less before, more after."""
    numbers = [atom.GetPDBResidueInfo().GetResidueNumber() for atom in mol.GetAtoms()]
    monomer = np.unique(numbers, return_inverse=True)[1]
    return np.asarray(
        np.where(monomer < position + monomers, np.minimum(monomer, position), position + 1)
    )


def _first(label: Ints) -> Ints:
    return np.unique(label, return_index=True)[1]


def _reaction_residues(graph: dict[str, Ints], bonds: Ints, fragment: Ints) -> Ints:
    """Return the residue of each reaction: a cut bond joins two fragments. [C] int64."""
    joined = fragment[graph["bond_begin"]], fragment[graph["bond_end"]]
    cut = np.flatnonzero(joined[0] != joined[1])
    if len(cut) != len(graph["reaction_code"]):
        raise AssertionError("a cut bond of a natural residue does not separate two fragments")
    return np.asarray(bonds[cut])
