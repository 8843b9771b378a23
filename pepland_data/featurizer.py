"""SMILES to heterographs: parse, cut, look up every row's code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from pepland_data.columns import GROUPS, GraphColumns
from pepland_data.cuts import CUTS, cut_molecule, piece_smiles
from pepland_data.errors import InputError, InvalidMoleculeError
from pepland_data.features import atom_row, bond_row, fragment_row
from pepland_data.graph import HeteroGraph, graph_from_arrays
from pepland_data.molecule import INPUT_FORMATS, QuietRdkit, parse
from pepland_data.tables import FeatureTables, empty_keys, tables_from_keys

FEATURIZER_VERSION = 1
"""Changes whenever the graph of any text changes; a store remembers it."""


@dataclass(frozen=True)
class FeaturizeOptions:
    """What decides which graph a text becomes."""

    cut: str = "adafrag"
    """``adafrag`` or ``amiibo``."""
    input_format: str = "smiles"
    """``auto``, ``smiles``, ``sequence``, ``fasta`` or ``helm``."""
    max_atoms: int = 5000
    """Larger molecules are rejected."""

    def __post_init__(self) -> None:
        if self.input_format not in INPUT_FORMATS:
            raise InputError(
                f"unknown input format {self.input_format!r}; expected one of "
                f"{', '.join(INPUT_FORMATS)}"
            )
        if self.cut not in CUTS:
            raise InputError(f"unknown cut {self.cut!r}; expected one of {', '.join(CUTS)}")


@dataclass(frozen=True)
class Reject:
    """A text that did not become a graph."""

    position: int
    text: str
    stage: str
    reason: str


@dataclass(frozen=True, eq=False)
class Converted:
    """The graphs of some texts, and the texts that have none."""

    columns: GraphColumns
    tables: FeatureTables
    kept: npt.NDArray[np.int64]
    """[K] int64, position of each graph's text."""
    rejects: list[Reject]


class Interner:
    """Distinct rows in the order of their first appearance; code 0 is the mask row."""

    def __init__(self, first: Any) -> None:
        self.rows: list[Any] = [first]
        self._code: dict[Any, int] = {}

    def code(self, row: Any) -> int:
        """Return the row's code, a new one for a new row."""
        code = self._code.get(row)
        if code is None:
            code = self._code[row] = len(self.rows)
            self.rows.append(row)
        return code


class Featurizer:
    """Turns texts into graphs and remembers every distinct row it has met."""

    def __init__(self, options: FeaturizeOptions | None = None) -> None:
        self.options = options or FeaturizeOptions()
        self._tables = [Interner(mask) for (mask,) in empty_keys()]

    @property
    def tables(self) -> FeatureTables:
        """The rows met so far."""
        atoms, bonds, fragments = (table.rows for table in self._tables)
        return tables_from_keys((atoms, bonds, fragments))

    def flat(self, text: str) -> dict[str, Any]:
        """Return the ten flat arrays of one text; InvalidMoleculeError where there are none."""
        mol = parse(text, self.options.input_format, self.options.max_atoms)
        for atom in mol.GetAtoms():
            if atom.GetAtomicNum() == 0:
                raise InvalidMoleculeError(text, "features", "holds a '*' atom")
            if int(atom.GetChiralTag()) > 3:
                raise InvalidMoleculeError(text, "features", "holds non-tetrahedral chirality")
        try:
            with QuietRdkit():
                return self._arrays(mol)
        except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
            reason = f"a fragment does not sanitise: {error}"
            raise InvalidMoleculeError(text, "cut", reason) from error

    def _arrays(self, mol: Any) -> dict[str, Any]:
        atoms, bonds, fragments = self._tables
        cutting = cut_molecule(mol, self.options.cut)
        parts, cuts = cutting.fragments, cutting.cuts
        fragment_of = _membership([p[1] for p in parts], mol.GetNumAtoms())
        residues = (
            _membership([p[1] for p in cutting.residues], len(fragment_of))
            if cuts
            else np.ones(len(fragment_of), np.int64)
        )
        bond_codes = [bonds.code(bond_row(b)) for b in mol.GetBonds()]
        ends = np.array(
            [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], np.int64
        ).reshape(-1, 2)
        first: dict[frozenset[int], int] = {}
        for cut in cuts:
            joined = frozenset(fragment_of[ends[cut]].tolist())
            first.setdefault(joined, bond_codes[cut])
        joints = fragment_of[ends[sorted(cuts)]].reshape(-1, 2)
        return {
            "atom_code": [
                atoms.code((a.GetAtomicNum() - 1, int(a.GetChiralTag()), atom_row(a)))
                for a in mol.GetAtoms()
            ],
            "atom_fragment": fragment_of,
            "fragment_code": [
                fragments.code(
                    (piece_smiles(m.ToBinary()), fragment_row(Chem.MolFragmentToSmiles(mol, a)))
                )
                for m, a in parts
            ],
            "fragment_residue": [residues[a[0]] for _, a in parts],
            "bond_begin": ends[:, 0],
            "bond_end": ends[:, 1],
            "bond_code": bond_codes,
            "reaction_begin": joints[:, 0],
            "reaction_end": joints[:, 1],
            "reaction_code": [first[frozenset(pair)] for pair in joints.tolist()],
        }

    def featurize(self, text: str) -> HeteroGraph:
        """Return one graph; InvalidMoleculeError where the text has none."""
        flat = self.flat(text)
        return graph_from_arrays(text, self.tables, **flat)

    def convert(self, texts: Sequence[str]) -> Converted:
        """Return the graphs of all texts that have one, and the rejects."""
        flats, kept, rejects = [], [], []
        for position, text in enumerate(texts):
            try:
                flats.append(self.flat(text))
                kept.append(position)
            except InvalidMoleculeError as error:
                rejects.append(Reject(position, text, error.stage, error.reason))
        columns = _join(flats)
        return Converted(columns, self.tables, np.array(kept, np.int64), rejects)


def _membership(groups: Sequence[Sequence[int]], count: int) -> npt.NDArray[np.int64]:
    of = np.zeros(count, np.int64)
    for number, members in enumerate(groups):
        of[list(members)] = number
    return of


def _join(flats: list[dict[str, Any]]) -> GraphColumns:
    arrays: dict[str, Any] = {}
    for group, names in GROUPS.items():
        sizes = [len(flat[names[0]]) for flat in flats]
        arrays[f"{group}_ptr"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        for name in names:
            parts = [np.asarray(flat[name], np.int64) for flat in flats]
            arrays[name] = np.concatenate([np.zeros(0, np.int64), *parts])
    return GraphColumns(**arrays)


def featurize(text: str, cut: str = "adafrag") -> HeteroGraph:
    """Return the heterograph of one SMILES.

    Raises:
        InvalidMoleculeError: where the text cannot become a graph.
        InputError: for an unknown cut.
    """
    return Featurizer(FeaturizeOptions(cut=cut)).featurize(text)
