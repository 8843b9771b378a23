"""A unit without a symbol, as a monomer that the text itself defines: SMILES with ``[*:n]``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rdkit import Chem

from pepland_data.chem.monomers.definition import MOST_POINTS
from pepland_data.chem.residues.no_helm import NoHelmError
from pepland_data.chem.residues.symbols import Symbol

HEADS = tuple(map(Chem.MolFromSmarts, ("[#0][NX3]", "[#0][OX2][#6]", "[NX3;+0;H1,H2;$(N[CX4])]")))
TAILS = tuple(map(Chem.MolFromSmarts, ("[#0][CX3]=O", "[OX2;H1]C=O")))
"""A point at the nitrogen or oxygen of a residue, else a free amine; a point at its carbonyl, else
the oxygen of a free acid."""
KEPT = 1 << 14


@lru_cache(maxsize=KEPT)
def in_line_symbol(smiles: str) -> Symbol:
    """Return a unit as a monomer of a peptide, or of a CHEM polymer if it is no amino acid.

    Args:
        smiles: canonical SMILES of the unit; ``*`` is a point.

    Raises:
        NoHelmError: it has no point, or too many.
    """
    mol = Chem.RWMol(Chem.MolFromSmiles(smiles))
    points = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    ends = _ends(mol)
    if not points or len(points) + 2 > MOST_POINTS:
        raise NoHelmError(f"its part {smiles} has {len(points)} bonds to other residues")
    if ends is None:
        numbers = {atom: number for number, atom in enumerate(points, 1)}
    else:
        numbers = _numbers(mol, points, *ends)
    for atom, number in numbers.items():
        mol.GetAtomWithIdx(atom).SetAtomMapNum(number)
    token = f"[{Chem.MolToSmiles(mol)}]"
    polymer = "CHEM" if ends is None else "PEPTIDE"
    joined = tuple(numbers[atom] for atom in points)
    return Symbol(token, joined, polymer, is_residue=ends is not None, by_name=False)


def _ends(mol: Any) -> tuple[int, int] | None:
    """Return the atoms at R1 and R2 of the shortest backbone, None for no amino acid."""
    heads, tails = (_first(mol, patterns) for patterns in (HEADS, TAILS))
    pairs = [(head, tail) for head in heads for tail in tails if head != tail]
    if not pairs:
        return None
    return min(pairs, key=lambda pair: (len(Chem.GetShortestPath(mol, *pair)), pair))


def _first(mol: Any, patterns: Sequence[Any]) -> list[int]:
    """Return the atoms that the first pattern with a match finds."""
    found = ([match[0] for match in mol.GetSubstructMatches(pattern)] for pattern in patterns)
    return next(filter(None, found), [])


def _numbers(mol: Any, points: list[int], head: int, tail: int) -> dict[int, int]:
    """Number the points of a residue; a free amine or acid becomes a point that nothing joins."""
    if mol.GetAtomWithIdx(head).GetAtomicNum():
        end = mol.AddAtom(Chem.Atom(0))
        mol.AddBond(head, end, Chem.BondType.SINGLE)
        mol.GetAtomWithIdx(head).SetNumExplicitHs(0)
        head = end
    if mol.GetAtomWithIdx(tail).GetAtomicNum():
        mol.ReplaceAtom(tail, Chem.Atom(0))
    mol.UpdatePropertyCache()
    others = [atom for atom in points if atom not in (head, tail)]
    return {head: 1, tail: 2} | {atom: number for number, atom in enumerate(others, 3)}
