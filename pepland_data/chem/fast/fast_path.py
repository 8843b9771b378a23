"""Many molecules to many graphs at once; the fragments of known pieces come from a cache.

Each graph equals that of `pepland_data.chem.plain_path`. RDKit computes only the pieces, atoms and
bonds that are new in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from rdkit import Chem

from pepland_data.chem.fast.batch_fragments import list_reactions, local_indices, number_fragments
from pepland_data.chem.fast.molecule_batch import (
    DistinctRecords,
    Ints,
    MoleculeBatch,
    batch_molecules,
)
from pepland_data.chem.fast.piece_cache import PieceCache, PieceFragments, solve_pieces
from pepland_data.chem.fast.piece_keys import PieceBonds, PieceKeys, piece_keys
from pepland_data.chem.fast.rdkit_records import RdkitRecords
from pepland_data.chem.fast.residue_cuts import BatchPieces, cut_residues
from pepland_data.graph.columns import GraphColumns, ragged_rows
from pepland_data.graph.table_builder import TableBuilder


class CannotCutError(Exception):
    """Some molecules of a batch have a fragment that RDKit cannot sanitise."""

    def __init__(self, reasons: dict[int, str]) -> None:
        """Name the molecules by their place in the batch, with the messages of RDKit."""
        self.reasons = reasons
        super().__init__(f"{len(reasons)} molecules cannot be cut")


class FastPath:
    """Turns batches of molecules into graphs and remembers every distinct piece."""

    def __init__(self, cut: str, tables: TableBuilder) -> None:
        self.cut, self.tables = cut, tables
        self.distinct, self.cache = DistinctRecords(), PieceCache()

    def graphs(
        self,
        mols: Sequence[Any],
        records: Sequence[RdkitRecords],
        watch: Callable[[int | None], None] = lambda place: None,
    ) -> GraphColumns:
        """Return the graphs of all molecules.

        Args:
            mols: sanitised molecules.
            records: the records of each, from `read_rdkit_records`.
            watch: called with the place of a molecule before each step of the work on its pieces,
                then with None.

        Raises:
            CannotCutError: some molecules have no graph.
        """
        return self.graphs_of_batch(batch_molecules(mols, records, self.distinct), watch)

    def graphs_of_batch(
        self, batch: MoleculeBatch, watch: Callable[[int | None], None] = lambda place: None
    ) -> GraphColumns:
        """Return the graphs of a batch; see `graphs`.

        An item of ``batch.mols`` is read only if the molecule has a new piece, atom or bond.
        """
        self.cache.make_room()
        pieces = cut_residues(batch, self.distinct)
        keys, bonds = piece_keys(batch, pieces)
        numbers = self._piece_numbers(batch, pieces, bonds, keys, watch)
        return self._assemble(batch, pieces, bonds, numbers)

    def _piece_numbers(
        self,
        batch: MoleculeBatch,
        pieces: BatchPieces,
        bonds: PieceBonds,
        keys: PieceKeys,
        watch: Callable[[int | None], None],
    ) -> Ints:
        """Return the number of each piece in the cache; new pieces are computed and added."""
        numbers = self.cache.look_up(keys)
        new: dict[bytes | int, int] = {}  # a piece without a key is always new
        unknown = np.flatnonzero(numbers < 0).tolist()
        same = {k: new.setdefault(keys[k].tobytes() or k, k) for k in unknown}
        by_molecule: dict[int, list[int]] = {}
        for k in new.values():
            by_molecule.setdefault(int(np.searchsorted(pieces.ptr, k, "right")) - 1, []).append(k)
        failed: dict[int, str] = {}
        for m, wanted in by_molecule.items():
            step = partial(watch, m)
            step()
            try:
                solved = self._solve(batch, pieces, bonds, m, wanted, step)
            except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
                failed[m] = str(error)
                continue
            for k, piece in solved.items():
                numbers[k] = self.cache.add(keys[k], piece)
        if new:
            watch(None)
        if failed:
            raise CannotCutError(failed)
        numbers[unknown] = numbers[list(same.values())]
        return numbers

    def _solve(
        self,
        batch: MoleculeBatch,
        pieces: BatchPieces,
        bonds: PieceBonds,
        m: int,
        wanted: list[int],
        step: Callable[[], None],
    ) -> dict[int, PieceFragments]:
        """Return the fragments of the wanted pieces of molecule m."""
        first, start, stop = int(pieces.ptr[m]), batch.bond_ptr[m], batch.bond_ptr[m + 1]
        cuts = pieces.cuts[(start <= pieces.cuts) & (pieces.cuts < stop)] - start
        wanted_bonds = {
            k - first: bonds.bond[bonds.ptr[k] : bonds.ptr[k + 1]] - start for k in wanted
        }
        mol = batch.mols[m]
        solved = solve_pieces(mol, cuts.tolist(), wanted_bonds, self.cut, self.tables, step)
        return {first + number: piece for number, piece in solved.items()}

    def _assemble(
        self, batch: MoleculeBatch, pieces: BatchPieces, bonds: PieceBonds, numbers: Ints
    ) -> GraphColumns:
        """Return the graphs of a batch from the numbers of its pieces in the cache."""
        parts, codes = self.cache.atom_fragment, self.cache.fragment_code
        atom_ptr, bond_ptr = batch.atom_ptr, batch.bond_ptr
        degree = np.bincount(batch.begin, minlength=atom_ptr[-1])
        degree += np.bincount(batch.end, minlength=atom_ptr[-1])
        bond_code = self.distinct.bond_codes(batch, self.tables)
        fragment_ptr, fragment, fragment_code, residue = number_fragments(
            atom_ptr, pieces.ptr, pieces.of_atom, pieces.local, numbers,
            parts.values, parts.ptr, codes.values, codes.ptr,
        )  # fmt: skip
        found = np.concatenate([pieces.cuts, self._brics(bonds, numbers)])
        reaction_ptr, begin, end, reaction_code = list_reactions(
            bond_ptr, batch.begin, batch.end, bond_code, found, fragment_ptr, fragment
        )
        uncut = np.repeat(np.diff(reaction_ptr) == 0, np.diff(fragment_ptr))
        return GraphColumns(
            atom_ptr=atom_ptr,
            fragment_ptr=fragment_ptr,
            bond_ptr=bond_ptr,
            reaction_ptr=reaction_ptr,
            atom_code=self.distinct.atom_codes(batch, degree, self.tables),
            atom_fragment=local_indices(atom_ptr, fragment_ptr, fragment),
            fragment_code=fragment_code,
            fragment_residue=np.where(uncut, 1, residue),
            bond_begin=local_indices(bond_ptr, atom_ptr, batch.begin),
            bond_end=local_indices(bond_ptr, atom_ptr, batch.end),
            bond_code=bond_code,
            reaction_begin=begin,
            reaction_end=end,
            reaction_code=reaction_code,
        )

    def _brics(self, bonds: PieceBonds, numbers: Ints) -> Ints:
        """Return the bonds that BRICS cuts, in the order they are found. [C] int64."""
        places, ptr = ragged_rows(self.cache.brics.ptr, numbers)
        starts = np.repeat(bonds.ptr[:-1], np.diff(ptr))
        return np.asarray(bonds.bond[starts + self.cache.brics.values[places]])
