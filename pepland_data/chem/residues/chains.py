"""Units in chains, and the chains as HELM, in an order that depends on the molecule alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pepland_data.chem.residues.symbols import Symbol

End = tuple[int, int]
"""A unit and the number of one of its points."""


def helm_text(symbols: Sequence[Symbol], bonds: Sequence[tuple[End, End]]) -> str:
    """Return units and their bonds as HELM.

    A bond from R2 to R1 continues a chain. Long chains come first, equal ones in the order of the
    units. A ring begins where its symbols come first in the alphabet.

    Args:
        symbols: the units.
        bonds: two ends of each bond.
    """
    chains = _sorted_chains(symbols, bonds)
    names = _names([symbols[chain[0]].polymer for chain in chains])
    named = list(zip(names, chains, strict=True))
    texts = [f"{name}{{{'.'.join(symbols[u].token for u in chain)}}}" for name, chain in named]
    place = {
        unit: (number, name, i)
        for number, (name, chain) in enumerate(named)
        for i, unit in enumerate(chain, 1)
    }
    inside = {pair for chain in chains for pair in pairwise(chain)}
    links = sorted(_link(*bond, place) for bond in bonds if not _is_inside(*bond, inside))
    return f"{'|'.join(texts)}${'|'.join(text for _, text in links)}$$$"


def _sorted_chains(symbols: Sequence[Symbol], bonds: Sequence[tuple[End, End]]) -> list[list[int]]:
    tokens = [symbol.token for symbol in symbols]
    after: dict[int, int] = {}
    for one, two in bonds:
        for (unit, from_), (following, to) in ((one, two), (two, one)):
            polymers = {symbols[unit].polymer, symbols[following].polymer}
            if (from_, to) == (2, 1) and polymers == {"PEPTIDE"} and unit != following:
                after[unit] = following

    def rank(chain: list[int]) -> tuple[Any, ...]:
        chem = symbols[chain[0]].polymer != "PEPTIDE"
        return chem, -len(chain), [tokens[unit] for unit in chain], chain

    return sorted(_chains(tokens, after), key=rank)


def _names(polymers: Sequence[str]) -> list[str]:
    """Return the polymers with their numbers: the first peptide is ``PEPTIDE1``."""
    return [f"{name}{polymers[: i + 1].count(name)}" for i, name in enumerate(polymers)]


def _is_inside(one: End, two: End, inside: set[tuple[int, int]]) -> bool:
    """Return whether a bond continues a chain."""
    return _continues(one, two, inside) or _continues(two, one, inside)


def _continues(one: End, two: End, inside: set[tuple[int, int]]) -> bool:
    return (one[1], two[1]) == (2, 1) and (one[0], two[0]) in inside


def _chains(tokens: Sequence[str], after: dict[int, int]) -> list[list[int]]:
    """Return the units in chains; every unit is in one."""
    started = set(range(len(tokens))) - set(after.values())
    chains = [_from(unit, after) for unit in sorted(started)]
    left = set(range(len(tokens))).difference(*chains)
    while left:
        ring = _from(min(left), after)
        left.difference_update(ring)
        turns = [ring[i:] + ring[:i] for i in range(len(ring))]
        chains.append(min(turns, key=lambda turn: ([tokens[unit] for unit in turn], turn)))
    return chains


def _from(unit: int, after: dict[int, int]) -> list[int]:
    chain = [unit]
    while (following := after.get(chain[-1], unit)) != unit:
        chain.append(following)
    return chain


def _link(
    one: End, two: End, place: dict[int, tuple[int, str, int]]
) -> tuple[tuple[int, ...], str]:
    """Return a connection, and what it is sorted by; R2 of a ring comes before R1."""
    (chain, name, at), (chain_2, name_2, at_2) = place[one[0]], place[two[0]]
    first, second = (chain, at, one[1]), (chain_2, at_2, two[1])
    if second < first:
        return _link(two, one, place)
    text = f"{name},{name_2},{at}:R{one[1]}-{at_2}:R{two[1]}"
    if name == name_2 and (one[1], two[1]) == (1, 2):
        text = f"{name},{name_2},{at_2}:R2-{at}:R1"
    return (*first, *second), text
