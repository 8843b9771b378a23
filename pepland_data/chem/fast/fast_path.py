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

from pepland_data.chem.fast.molecule_batch import (
    DistinctRecords,
    Ints,
    MoleculeBatch,
    batch_molecules,
)
from pepland_data.chem.fast.piece_cache import PieceCache, PieceFragments, solve_pieces
from pepland_data.chem.fast.piece_keys import PieceBonds, piece_keys
from pepland_data.chem.fast.rdkit_records import RdkitRecords
from pepland_data.chem.fast.residue_cuts import BatchPieces, cut_residues, first_positions
from pepland_data.graph.columns import GraphColumns, pointers
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
        self.cache.make_room()
        batch = batch_molecules(mols, records, self.distinct)
        pieces = cut_residues(batch, self.distinct)
        keys, bonds = piece_keys(batch, pieces, self.distinct)
        numbers = self._piece_numbers(batch, pieces, bonds, keys, watch)
        return self._assemble(batch, pieces, bonds, numbers)

    def _piece_numbers(
        self,
        batch: MoleculeBatch,
        pieces: BatchPieces,
        bonds: PieceBonds,
        keys: list[Any],
        watch: Callable[[int | None], None],
    ) -> Ints:
        """Return the number of each piece in the cache; new pieces are computed and added."""
        numbers = self.cache.look_up(keys)
        new: dict[Any, int] = {}
        for k in np.flatnonzero(numbers < 0).tolist():
            new.setdefault(keys[k] or k, k)  # a piece without a key is always new
        if not new:
            return numbers
        molecule = batch.atom_molecule[pieces.first_atom]
        by_molecule: dict[int, list[int]] = {}
        for k in new.values():
            by_molecule.setdefault(int(molecule[k]), []).append(k)
        failed: dict[int, str] = {}
        for m, wanted in by_molecule.items():
            step = partial(watch, m)
            step()
            try:
                solved = self._solve(batch, pieces, bonds, m, wanted, molecule, step)
            except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
                failed[m] = str(error)
                continue
            for k, piece in solved.items():
                numbers[k] = self.cache.add(keys[k], piece)
        watch(None)
        if failed:
            raise CannotCutError(failed)
        for k in np.flatnonzero(numbers < 0).tolist():
            numbers[k] = self.cache.number(keys[k])
        return numbers

    def _solve(
        self,
        batch: MoleculeBatch,
        pieces: BatchPieces,
        bonds: PieceBonds,
        m: int,
        wanted: list[int],
        molecule: Ints,
        step: Callable[[], None],
    ) -> dict[int, PieceFragments]:
        """Return the fragments of the wanted pieces of molecule m."""
        start, stop = batch.bond_ptr[m], batch.bond_ptr[m + 1]
        found = pieces.found[start:stop]
        cuts = np.flatnonzero(found >= 0)
        first = int(np.searchsorted(molecule, m))
        wanted_bonds = {
            k - first: bonds.bond[bonds.ptr[k] : bonds.ptr[k + 1]] - start for k in wanted
        }
        ordered = cuts[np.argsort(found[cuts])].tolist()
        solved = solve_pieces(batch.mols[m], ordered, wanted_bonds, self.cut, self.tables, step)
        return {first + number: piece for number, piece in solved.items()}

    def _assemble(
        self, batch: MoleculeBatch, pieces: BatchPieces, bonds: PieceBonds, numbers: Ints
    ) -> GraphColumns:
        """Return the graphs of a batch from the numbers of its pieces in the cache."""
        degree = np.bincount(np.concatenate([batch.begin, batch.end]), minlength=len(pieces.local))
        atom_code = self.distinct.atom_codes(batch, degree, self.tables)
        bond_code = self.distinct.bond_codes(batch, self.tables)
        fragment, code, piece = self._fragments(pieces, numbers)
        molecule = batch.atom_molecule
        fragment_first = first_positions(fragment, len(code))
        fragment_molecule = molecule[fragment_first]
        fragment_ptr = pointers(np.bincount(fragment_molecule, minlength=len(batch.mols)))
        found = self._found_order(pieces, bonds, numbers)
        cuts = np.flatnonzero(found >= 0)
        cut_molecule = molecule[batch.begin[cuts]]
        begin, end = fragment[batch.begin[cuts]], fragment[batch.end[cuts]]
        cut_start, bond_start = fragment_ptr[cut_molecule], batch.atom_ptr[molecule[batch.begin]]
        return GraphColumns(
            atom_ptr=batch.atom_ptr,
            fragment_ptr=fragment_ptr,
            bond_ptr=batch.bond_ptr,
            reaction_ptr=pointers(np.bincount(cut_molecule, minlength=len(batch.mols))),
            atom_code=atom_code,
            atom_fragment=fragment - fragment_ptr[molecule],
            fragment_code=code,
            fragment_residue=_residue(batch, pieces, piece, fragment_molecule, cut_molecule),
            bond_begin=batch.begin - bond_start,
            bond_end=batch.end - bond_start,
            bond_code=bond_code,
            reaction_begin=begin - cut_start,
            reaction_end=end - cut_start,
            reaction_code=bond_code[cuts][_first_of_pair(begin, end, found[cuts])],
        )

    def _fragments(self, pieces: BatchPieces, numbers: Ints) -> tuple[Ints, Ints, Ints]:
        """Return the fragment of each atom, and the code and piece of each fragment."""
        local, _ = self.cache.atom_fragment.take(numbers)
        codes, ptr = self.cache.fragment_code.take(numbers)
        by_piece = np.empty_like(local)
        by_piece[pieces.order] = local + np.repeat(ptr[:-1], np.diff(pieces.ptr))
        order = np.argsort(first_positions(by_piece, len(codes)))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        piece = np.repeat(np.arange(len(numbers)), np.diff(ptr))
        return rank[by_piece], codes[order], piece[order]

    def _found_order(self, pieces: BatchPieces, bonds: PieceBonds, numbers: Ints) -> Ints:
        """Return the place of each bond among the cuts: Amiibo first, then BRICS by piece. [B]."""
        place, ptr = self.cache.brics.take(numbers)
        brics = bonds.bond[place + np.repeat(bonds.ptr[:-1], np.diff(ptr))]
        found = pieces.found.copy()
        found[brics] = found.max(initial=0) + 1 + np.arange(len(brics))
        return found


def _residue(
    batch: MoleculeBatch, pieces: BatchPieces, piece: Ints, molecule: Ints, cut_molecule: Ints
) -> Ints:
    """Return the piece of each fragment, local to the molecule; 1 if no bond is cut. [P]."""
    first = pieces.of_atom[batch.atom_ptr[:-1]]
    is_cut = np.zeros(len(batch.mols), bool)
    is_cut[cut_molecule] = True
    return np.where(is_cut[molecule], piece - first[molecule], 1)


def _first_of_pair(begin: Ints, end: Ints, found: Ints) -> Ints:
    """Return for each reaction the first-found reaction of the same two fragments. [C] int64."""
    pair = np.minimum(begin, end) * (max(begin.max(initial=0), end.max(initial=0)) + 1)
    pair = pair + np.maximum(begin, end)
    order = np.lexsort((found, pair))
    _, group = np.unique(pair[order], return_inverse=True)
    first = first_positions(group, int(group.max(initial=-1)) + 1)
    chosen = np.empty_like(order)
    chosen[order] = order[first[group]]
    return chosen
