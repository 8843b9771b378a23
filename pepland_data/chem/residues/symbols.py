"""The symbol of a unit: that of the monomer of a library which is the same structure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, combinations
from typing import NamedTuple

from rdkit import Chem

from pepland_data.chem.monomers.definition import CAP, Monomer
from pepland_data.chem.monomers.given import GivenMonomers
from pepland_data.chem.monomers.library import bundled_monomers
from pepland_data.chem.notation.monomer_template import SYMBOL
from pepland_data.chem.residues.no_helm import NoHelmError
from pepland_data.chem.residues.units import known_form
from pepland_data.errors import MissingDependencyError

ACYL = Chem.MolFromSmarts("[#0][C,S]=O")
POINT = re.compile(r"\[\*:(\d)\]")


class Symbol(NamedTuple):
    """How a unit is written in HELM."""

    token: str
    """A letter, or a symbol or SMILES in brackets."""
    numbers: tuple[int, ...]
    """Number n of Rn of each point, in the order of the canonical SMILES."""
    polymer: str = "PEPTIDE"
    """``PEPTIDE`` or ``CHEM``."""
    is_residue: bool = False
    """Whether it has R1 and R2."""
    by_name: bool = True
    """Whether a library defines it."""


@lru_cache(maxsize=8)
def symbols_of(given: GivenMonomers | None) -> Mapping[str, Symbol]:
    """Return canonical SMILES of a unit -> its symbol, for all monomers and joined points.

    Of several symbols for one structure, a letter comes first, then the shortest. Caps whose point
    is not R2 at an acyl group, or R1 elsewhere, come last: they continue no chain.

    Args:
        given: monomers beside those of helmkit's library.

    Raises:
        MissingDependencyError: helmkit is not installed.
    """
    symbols: dict[str, Symbol] = {}
    try:
        monomers = _monomers(given)
    except ImportError as error:
        raise MissingDependencyError(
            f"writing HELM needs helmkit ({error}); install 'pepland-data[build]'"
        ) from error
    for monomer in sorted(monomers, key=_preference):
        for smiles, symbol in _forms(monomer):
            symbols.setdefault(smiles, symbol)
    return symbols


def _monomers(given: GivenMonomers | None) -> list[Monomer]:
    monomers = bundled_monomers()
    for polymer, symbol, smiles, caps, why in given.entries()[0] if given else ():
        monomers.pop((polymer, symbol), None)
        if not why:
            monomers[polymer, symbol] = Monomer(polymer, symbol, smiles, caps)
    return [monomer for (polymer, _), monomer in monomers.items() if polymer == "PEPTIDE"]


def _preference(monomer: Monomer) -> tuple[bool, int, str]:
    numbers = [number for number, _ in monomer.caps]
    is_acyl = Chem.MolFromSmiles(monomer.smiles).HasSubstructMatch(ACYL)
    misplaced = len(numbers) == 1 and numbers != [2 if is_acyl else 1]
    return misplaced, len(monomer.symbol), monomer.symbol


def _forms(monomer: Monomer) -> Iterator[tuple[str, Symbol]]:
    """Yield the canonical SMILES of a monomer, for each choice of points that are joined."""
    token = monomer.symbol if len(monomer.symbol) == 1 else f"[{monomer.symbol}]"
    caps = {number: _cap(group) for number, group in monomer.caps}
    if not SYMBOL.fullmatch(token) or "" in caps.values():
        return
    is_residue = {1, 2} <= caps.keys()
    for joined in chain.from_iterable(combinations(caps, n) for n in range(len(caps) + 1)):
        numbers = [n for n in map(int, POINT.findall(monomer.smiles)) if n in joined]
        text = _capped(monomer.smiles, caps | dict.fromkeys(joined, "*"))
        try:
            smiles, order = known_form(text)
        except NoHelmError:
            continue
        yield smiles, Symbol(token, tuple(numbers[i] for i in order), is_residue=is_residue)


def _capped(smiles: str, caps: Mapping[int, str]) -> str:
    """Return a monomer with an atom at each point."""
    return POINT.sub(lambda match: caps[int(match[1])], smiles)


def _cap(group: str) -> str:
    """Return a cap as an atom of a SMILES; '' for one that is not simple."""
    match = CAP.fullmatch(group)
    element = match[1] if match else ""
    return "[H]" if element == "H" else element if element in ("O", "N", "S", "C") else ""
