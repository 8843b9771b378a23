"""A monomer of HELM as a part of a SMILES: written by RDKit once, compared with helmkit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rdkit import Chem

from pepland_data.chem.monomers.definition import (
    CAP,
    EXPLICIT_H,
    helmkit_data,
    monomer_of,
)

SYMBOL = re.compile(r"([A-Za-z])|\[([^\[\]{}.|$:\"'\s]+)\]")
"""One letter, or a symbol in brackets; inline SMILES and ambiguous monomers are neither."""
CONTEXTS = ("{}", "{}.G", "G.{}", "G.{}.G")
"""Places in a chain."""
MASS = 200
"""A bonded point Rn is a methyl group of mass 200 + n while its template is made."""
FIRST, LAST = "[201CH3]", "[202CH3]"
SIDE_POINT = re.compile(r"\(\[20(\d)CH3\]\)|\[20(\d)CH3\](?=\)|$)")
"""A bonded point that becomes a ring closure."""
NO_CLOSURE = re.compile(r"CH3\]|[/\\)]\{")
"""What is left of a point, or stands before a closure that would mean something else."""


def is_known_to_rdkit(token: str) -> bool:
    """Return whether RDKit's own HELM reader knows a monomer anywhere in a chain."""
    return any(Chem.MolFromHELM(f"PEPTIDE1{{{c.format(token)}}}$$$$") for c in CONTEXTS)


def monomer_template(
    library: Mapping[str, Any],
    inline: bool,
    token: str,
    before: bool,
    after: bool,
    bonded: tuple[int, ...],
) -> str | None:
    """Return a monomer as the SMILES between its neighbours in the chain.

    Args:
        library: the peptide monomers as helmkit takes them.
        inline: whether a token may be a SMILES with ``[*:n]`` in brackets.
        token: the monomer as the text has it.
        before: a monomer is before it, at R1; the SMILES begins with the atom of R1.
        after: a monomer is after it, at R2; the SMILES ends where the next one follows.
        bonded: its other attachment points with bonds; ``{n}`` is the ring closure of Rn.

    Returns:
        None for an unknown monomer, or if the SMILES would not be the molecule of helmkit.
    """
    match = SYMBOL.fullmatch(token)
    data = library.get(match[1] or match[2]) if match else None
    if inline and "[*:" in token:
        data = helmkit_data(monomer_of("PEPTIDE", "", token[1:-1]))
    points = (1,) * before + (2,) * after + bonded
    mol = _with_neighbours(data, points) if data else None
    template = mol and _written(mol, before, after)
    if not data or not template:
        return None
    found = _canonical(_closed(template, before, after, bonded))
    if found == Chem.MolToSmiles(mol) and not _is_delicate(data):
        return template
    return template if found == _by_helmkit(data, points) else None


def _with_neighbours(data: Mapping[str, Any], points: tuple[int, ...]) -> Any:
    """Return a monomer with a methyl group at each bonded point, and with caps at the others.

    None if it lacks a point, if a point is bonded twice, or if a cap or the structure is unusual.
    """
    mol, bonded = Chem.RWMol(data["m_romol"]), list(points)
    for number, place in enumerate(data["m_RgroupIdx"], 1):
        if place is None:
            continue
        atom = Chem.Atom(6) if number in bonded else _cap(data["m_Rgroups"][number - 1])
        if number in bonded:
            atom.SetIsotope(MASS + number)
            bonded.remove(number)
        mol.ReplaceAtom(place, atom)
        mol.GetAtomWithIdx(data["m_attachmentPointIdx"][number - 1]).SetBoolProp(f"R{number}", True)
    try:
        return None if bonded else Chem.RemoveHs(mol)
    except ValueError:
        return None


def _cap(name: str | None) -> Any:
    """Return the atom of a cap; a wildcard, which no template has, for an unknown one."""
    if name in (None, "H", EXPLICIT_H):
        return Chem.Atom(1)
    match = CAP.fullmatch(name or "")
    return Chem.Atom(match[1] if match else 0)


def _written(mol: Any, before: bool, after: bool) -> str | None:
    """Return a SMILES from R1 to R2, with ``{n}`` for the other bonded points."""
    points = {a.GetIsotope() - MASS: a for a in mol.GetAtoms() if a.GetIsotope() > MASS}
    aromatic = any(atom.GetNeighbors()[0].GetIsAromatic() for atom in points.values())
    if aromatic or any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        return None
    first = points.pop(1).GetIdx() if before else _atom_of(mol, 1)
    last = points.pop(2).GetIdx() if after else _atom_of(mol, 2)
    text = _rooted(mol, first, last, [atom.GetIdx() for atom in points.values()])
    text = text.removeprefix(FIRST) if before else text
    text = text.removesuffix(LAST) if after else text
    text = SIDE_POINT.sub(lambda match: f"{{{match[1] or match[2]}}}", text)
    return None if NO_CLOSURE.search(text) else text


def _atom_of(mol: Any, number: int) -> int:
    """Return the atom of a point that is no end of the SMILES; without one, the first atom."""
    own = [atom for atom in mol.GetAtoms() if atom.GetIsotope() < MASS]
    return int(next((a for a in own if a.HasProp(f"R{number}")), own[0]).GetIdx())


def _rooted(mol: Any, first: int, last: int, side: list[int]) -> str:
    """Return a SMILES from one atom to another, where each side atom is the first branch.

    RDKit writes the neighbours of an atom by their numbers: the last one goes on with the chain.
    """
    path = list(Chem.GetShortestPath(mol, first, last)) if first != last else [first]
    others = [i for i in range(mol.GetNumAtoms()) if i not in (*side, *path)]
    order = [*side, *others, *path]
    renumbered = Chem.RenumberAtoms(mol, order)
    return str(Chem.MolToSmiles(renumbered, canonical=False, rootedAtAtom=order.index(first)))


def _closed(template: str, before: bool, after: bool, bonded: tuple[int, ...]) -> str:
    """Return a template with a methyl group at each bonded point, as a whole SMILES."""
    parts = [FIRST * before + template + LAST * after]
    parts += [f"[{MASS + n}CH3]{{{n}}}" for n in bonded]
    text = ".".join(parts)
    for n in bonded:
        text = text.replace(f"{{{n}}}", f"%{10 + n}")
    return text


def _is_delicate(data: Mapping[str, Any]) -> bool:
    """Return whether a molecule of helmkit may depend on how it removes attachment points."""
    mol = data["m_romol"]
    ends = [mol.GetAtomWithIdx(i) for i in data["m_attachmentPointIdx"] if i is not None]
    return any(bond.GetStereo() for bond in mol.GetBonds()) or any(
        atom.GetIsAromatic()
        or atom.GetFormalCharge()
        or atom.GetChiralTag()
        or atom.GetNoImplicit()
        for atom in ends
    )


def _by_helmkit(data: Mapping[str, Any], points: tuple[int, ...]) -> str | None:
    """Return what helmkit makes of a monomer with a methyl group at each bonded point."""
    from helmkit import Molecule

    symbols = {"X": data, **{f"M{n}": _methyl(n) for n in points}}
    chains = ["PEPTIDE1{[X]}", *(f"PEPTIDE{n + 1}{{[M{n}]}}" for n in points)]
    bonds = [f"PEPTIDE1,PEPTIDE{n + 1},1:R{n}-1:R1" for n in points]
    try:
        mol = Molecule(f"{'|'.join(chains)}${'|'.join(bonds)}$$$", {"aa": symbols}).mol
        return _canonical(Chem.MolToSmiles(mol))
    except (ValueError, RuntimeError):
        return None


def _methyl(number: int) -> dict[str, Any]:
    """Return a methyl group as helmkit's library holds a monomer."""
    return {
        "m_romol": Chem.MolFromSmiles(f"*[{MASS + number}CH3]"), "m_Rgroups": ["H"],
        "m_RgroupIdx": [0], "m_attachmentPointIdx": [1], "m_type": "aa", "m_abbr": "",
    }  # fmt: skip


def _canonical(smiles: str) -> str | None:
    mol = Chem.MolFromSmiles(smiles)
    return None if mol is None else str(Chem.MolToSmiles(mol))
