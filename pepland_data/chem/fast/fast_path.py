"""Many molecules to many graphs at once: what is known of each piece, put in its place.

Equal to `chem.plain_path`, molecule by molecule. RDKit is asked only for pieces, atoms and bonds
that this process has not met before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rdkit import Chem

from pepland_data.chem.fast.molecule_batch import Ints, MoleculeBatch, States, batch_molecules
from pepland_data.chem.fast.piece_cache import PieceCache, solve_pieces
from pepland_data.chem.fast.piece_keys import PieceBonds, piece_keys
from pepland_data.chem.fast.rdkit_records import RdkitRecords
from pepland_data.chem.fast.residue_cuts import Pieces, cut_residues, first_positions
from pepland_data.graph.columns import GraphColumns
from pepland_data.graph.table_builder import TableBuilder


class CannotCutError(Exception):
    """Some molecules of a batch have a fragment that does not sanitise."""

    def __init__(self, reasons: dict[int, str]) -> None:
        self.reasons = reasons
        super().__init__(f"{len(reasons)} molecules cannot be cut")


class FastPath:
    """Turns batches of molecules into columns and remembers every distinct piece."""

    def __init__(self, cut: str, tables: TableBuilder) -> None:
        self.cut, self.tables = cut, tables
        self.states, self.cache = States(), PieceCache()

    def graphs(
        self,
        mols: Sequence[Any],
        skeletons: Sequence[RdkitRecords],
        watch: Callable[[int | None], None] = lambda place: None,
    ) -> GraphColumns:
        """Return the graphs of all molecules.

        Args:
            mols: sanitised molecules.
            skeletons: their records, as `read_skeleton` returns them.
            watch: told the place of the molecule whose pieces are solved next, then None.

        Raises:
            CannotCutError: names those that have none.
        """
        self.cache.make_room()
        batch = batch_molecules(mols, skeletons, self.states)
        pieces = cut_residues(batch, self.states)
        keys, bonds = piece_keys(batch, pieces, self.states)
        numbers = self._known(batch, pieces, bonds, keys, watch)
        return self._assemble(batch, pieces, bonds, numbers)

    def _known(
        self,
        batch: MoleculeBatch,
        pieces: Pieces,
        bonds: PieceBonds,
        keys: list[Any],
        watch: Callable[[int | None], None],
    ) -> Ints:
        """Return the number of each piece in the cache, solving those that are new."""
        numbers = self.cache.look_up(keys)
        new = _first_of_each(np.flatnonzero(numbers < 0), keys)
        if not new:
            return numbers
        molecule = batch.atom_molecule[pieces.first_atom]
        by_molecule: dict[int, list[int]] = {}
        for k in new:
            by_molecule.setdefault(int(molecule[k]), []).append(k)
        failed: dict[int, str] = {}
        for m, wanted in by_molecule.items():
            watch(m)
            try:
                solved = self._solve(batch, pieces, bonds, m, wanted, molecule)
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
        pieces: Pieces,
        bonds: PieceBonds,
        m: int,
        wanted: list[int],
        molecule: Ints,
    ) -> dict[int, Any]:
        start, stop = batch.bond_ptr[m], batch.bond_ptr[m + 1]
        found = pieces.found[start:stop]
        cuts = np.flatnonzero(found >= 0)
        first = int(np.searchsorted(molecule, m))
        mine = {k - first: bonds.bond[bonds.ptr[k] : bonds.ptr[k + 1]] - start for k in wanted}
        ordered = cuts[np.argsort(found[cuts])].tolist()
        solved = solve_pieces(batch.mols[m], ordered, mine, self.cut, self.tables)
        return {first + number: piece for number, piece in solved.items()}

    def _assemble(
        self, batch: MoleculeBatch, pieces: Pieces, bonds: PieceBonds, numbers: Ints
    ) -> GraphColumns:
        degree = np.bincount(np.concatenate([batch.begin, batch.end]), minlength=len(pieces.local))
        atom_code = self.states.atom_codes(batch, degree, self.tables)
        bond_code = self.states.bond_codes(batch, self.tables)
        fragment, code, piece = self._fragments(pieces, numbers)
        molecule = batch.atom_molecule
        fragment_first = first_positions(fragment, len(code))
        fragment_molecule = molecule[fragment_first]
        fragment_ptr = _pointer(fragment_molecule, len(batch.mols))
        found = self._found_order(pieces, bonds, numbers)
        cuts = np.flatnonzero(found >= 0)
        cut_molecule = molecule[batch.begin[cuts]]
        joints = fragment[batch.begin[cuts]], fragment[batch.end[cuts]]
        cut_start, bond_start = fragment_ptr[cut_molecule], batch.atom_ptr[molecule[batch.begin]]
        return GraphColumns(
            atom_ptr=batch.atom_ptr,
            fragment_ptr=fragment_ptr,
            bond_ptr=batch.bond_ptr,
            reaction_ptr=_pointer(cut_molecule, len(batch.mols)),
            atom_code=atom_code,
            atom_fragment=fragment - fragment_ptr[molecule],
            fragment_code=code,
            fragment_residue=_residue(batch, pieces, piece, fragment_molecule, cut_molecule),
            bond_begin=batch.begin - bond_start,
            bond_end=batch.end - bond_start,
            bond_code=bond_code,
            reaction_begin=joints[0] - cut_start,
            reaction_end=joints[1] - cut_start,
            reaction_code=bond_code[cuts][_first_of_pair(*joints, found[cuts])],
        )

    def _fragments(self, pieces: Pieces, numbers: Ints) -> tuple[Ints, Ints, Ints]:
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

    def _found_order(self, pieces: Pieces, bonds: PieceBonds, numbers: Ints) -> Ints:
        """Return each bond's place among all cuts: Amiibo's, then BRICS's piece by piece."""
        place, ptr = self.cache.brics.take(numbers)
        brics = bonds.bond[place + np.repeat(bonds.ptr[:-1], np.diff(ptr))]
        found = pieces.found.copy()
        found[brics] = found.max(initial=0) + 1 + np.arange(len(brics))
        return found


def _first_of_each(missing: Ints, keys: list[Any]) -> list[int]:
    """Return one piece of each missing key, and every piece without a key."""
    seen: set[Any] = set()
    chosen = []
    for k in missing.tolist():
        if keys[k] is None or keys[k] not in seen:
            seen.add(keys[k])
            chosen.append(k)
    return chosen


def _pointer(owner: Ints, count: int) -> Ints:
    counts = np.bincount(owner, minlength=count)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _residue(
    batch: MoleculeBatch, pieces: Pieces, piece: Ints, molecule: Ints, cut_molecule: Ints
) -> Ints:
    """Return each fragment's piece, counted in its molecule; 1 where nothing is cut. [P]."""
    first = pieces.of_atom[batch.atom_ptr[:-1]]
    is_cut = np.zeros(len(batch.mols), bool)
    is_cut[cut_molecule] = True
    return np.where(is_cut[molecule], piece - first[molecule], 1)


def _first_of_pair(one: Ints, other: Ints, found: Ints) -> Ints:
    """Return for each joint the first-found joint of the same two fragments. [C] int64."""
    pair = np.minimum(one, other) * (max(one.max(initial=0), other.max(initial=0)) + 1)
    pair = pair + np.maximum(one, other)
    order = np.lexsort((found, pair))
    _, group = np.unique(pair[order], return_inverse=True)
    first = first_positions(group, int(group.max(initial=-1)) + 1)
    chosen = np.empty_like(order)
    chosen[order] = order[first[group]]
    return chosen
