"""Rewrite what HELM may say about a molecule in words that every HELM reader knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pepland_data.errors import InvalidMoleculeError

SPECIAL = re.compile(r"['\"(]|pair|\$G\d")
"""A text without these is plain."""
CHAIN = re.compile(r"(?P<name>\w+)\{(?P<monomers>.*)\}(?P<note>\"[^\"]*\")?", re.DOTALL)
ANNOTATION = re.compile(r"\"[^\"]*\"$")
REPEAT = re.compile(r"(?P<unit>.+)'(?P<count>[^']*)'", re.DOTALL)
HYDROGEN_BOND = re.compile(r"[^,]*,[^,]*,[^,]*:pair-[^,]*:pair")
MOST_MONOMERS = 10_000
"""A text whose repeats make more monomers is refused."""


def plain_helm(text: str) -> str:
    """Return a HELM text with its repeats written out, without annotations and hydrogen bonds.

    A plain text is returned letter by letter.

    Raises:
        InvalidMoleculeError: the text stands for no one molecule, or has a branch in parentheses.
    """
    if not SPECIAL.search(text):
        return text
    try:
        chains, dollar, rest = _cut_first(text, "$")
        connections, *others = rest.split("$") if dollar else [""]
        if others and re.match(r"G\d+\(", others[0]):
            raise ValueError("a group of polymers stands for no one molecule")
        plain = [_plain_chain(chain, connections) for chain in split_outside(chains, "|")]
        bonds = [c for c in connections.split("|") if not HYDROGEN_BOND.fullmatch(c)]
    except (ValueError, RecursionError) as error:
        raise InvalidMoleculeError(text, "parse", f"unreadable HELM: {error}") from None
    return "$".join(["|".join(plain), "|".join(bonds), *others]) if dollar else "|".join(plain)


def split_outside(text: str, mark: str) -> list[str]:
    """Split a text at a mark that is in no brackets, braces or quotation marks."""
    depth, quoted, start, parts = 0, False, 0, []
    for place, letter in enumerate(text):
        quoted ^= letter == '"' and depth < 2
        depth += 0 if quoted else (letter in "[({") - (letter in "])}")
        if letter == mark and not depth and not quoted:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _cut_first(text: str, mark: str) -> tuple[str, str, str]:
    first = split_outside(text, mark)[0]
    return first, text[len(first) : len(first) + 1], text[len(first) + 1 :]


def _plain_chain(chain: str, connections: str) -> str:
    match = CHAIN.fullmatch(chain)
    if match is None:
        return chain
    before = split_outside(match["monomers"], ".")
    after = [name for monomer in before for name in _plain_monomers(monomer, match["name"])]
    if len(after) > MOST_MONOMERS:
        raise ValueError(f"repeats make more than {MOST_MONOMERS:,} monomers")
    if len(after) != len(before) and re.search(rf"\b{match['name']},", connections):
        raise ValueError(f"{match['name']} has repeats and a connection; write out the repeats")
    return f"{match['name']}{{{'.'.join(after)}}}{match['note'] or ''}"


def _plain_monomers(monomer: str, chain: str) -> Iterator[str]:
    """Yield what a monomer with annotation and repeat stands for."""
    monomer = ANNOTATION.sub("", monomer)
    if repeat := REPEAT.fullmatch(monomer):
        unit, count = repeat["unit"], repeat["count"]
        if not count.isdecimal() or not 0 < int(count) <= MOST_MONOMERS:
            raise ValueError(
                f"a monomer that is repeated {count!r} times stands for no one molecule"
            )
        inner = unit[1:-1] if _is_group(unit) else unit
        once = [n for part in split_outside(inner, ".") for n in _plain_monomers(part, chain)]
        for _ in range(min(int(count), MOST_MONOMERS // len(once) + 1)):
            yield from once
        return
    if _is_group(monomer):
        known = "an ambiguous monomer" if re.search(r"[,+]", monomer) else "a group without repeats"
        raise ValueError(f"{monomer} is {known} and stands for no one molecule")
    if chain.startswith("PEPTIDE") and _has_branch(monomer):
        raise ValueError(
            f"{monomer} has a branch in parentheses; write it as a chain with a connection"
        )
    yield monomer


def _is_group(unit: str) -> bool:
    return unit.startswith("(") and unit.endswith(")")


def _has_branch(monomer: str) -> bool:
    """Return whether a monomer has parentheses outside of its brackets."""
    return len(split_outside(re.sub(r"\(", "\0(", monomer), "\0")) > 1
