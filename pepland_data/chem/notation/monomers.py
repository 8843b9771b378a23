"""Residues as SMILES, N to C, so that a peptide's SMILES is their concatenation and a final O."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

SIDE_CHAINS = {
    "A": "C", "R": "CCCNC(N)=N", "N": "CC(N)=O", "D": "CC(=O)O", "C": "CS", "Q": "CCC(N)=O",
    "E": "CCC(=O)O", "H": "Cc3c[nH]cn3", "L": "CC(C)C", "K": "CCCCN", "M": "CCSC",
    "F": "Cc3ccccc3", "S": "CO", "W": "Cc3c[nH]c4ccccc34", "Y": "Cc3ccc(O)cc3", "V": "C(C)C",
    "I": "[C@@H](C)CC", "T": "[C@@H](C)O",
    "Abu": "CC", "Nva": "CCC", "Nle": "CCCC", "Orn": "CCCN", "Dab": "CCN", "Cit": "CCCNC(N)=O",
    "hArg": "CCCCNC(N)=N", "Cha": "CC3CCCCC3", "Tle": "C(C)(C)C", "Phg": "c3ccccc3",
    "Phe(4-F)": "Cc3ccc(F)cc3", "Phe(4-Cl)": "Cc3ccc(Cl)cc3", "Phe(4-Br)": "Cc3ccc(Br)cc3",
    "Tyr(3-I)": "Cc3ccc(O)c(I)c3", "Nal": "Cc3ccc4ccccc4c3", "Bip": "Cc3ccc(-c4ccccc4)cc3",
    "Pra": "CC#C", "Lys(Ac)": "CCCCNC(C)=O", "Lys(Pal)": "CCCCNC(=O)CCCCCCCCCCCCCCC",
}  # fmt: skip
"""Name -> side chain of an alpha amino acid; one-letter names are the natural ones."""

OTHER = {
    "G": "NCC(=O)", "P": "N3CCC[C@H]3C(=O)", "dP": "N3CCC[C@@H]3C(=O)",
    "Hyp": "N3C[C@H](O)C[C@H]3C(=O)", "Pip": "N3CCCC[C@H]3C(=O)", "Sar": "N(C)CC(=O)",
    "Aib": "NC(C)(C)C(=O)", "bAla": "NCCC(=O)",
}  # fmt: skip
"""Name -> whole residue."""

ACYL = {"": "", "Ac": "CC(=O)", "Lau": "CCCCCCCCCCCC(=O)", "Myr": "CCCCCCCCCCCCCC(=O)"}
"""N-terminal caps."""


NATURAL = tuple("ACDEFGHIKLMNPQRSTVWY")
"""The twenty natural residues."""
MIRRORED = tuple(f"d{name}" for name in NATURAL if name != "G")
"""Their mirror images."""
METHYLATED = tuple(f"me{name}" for name in "AVLIFYKTSQE")
"""N-methylated residues found in drugs and natural products."""
UNUSUAL = tuple(n for n in (*SIDE_CHAINS, *OTHER) if len(n) > 1 and n != "dP")
"""Residues with side chains or backbones that no ribosome makes."""
HELM_MONOMERS = (*MIRRORED, "Abu", "Nle", "Nva", "Orn", "Sar")
"""Names beyond the natural ones that RDKit's HELM reader knows."""


@cache
def residue(name: str) -> str:
    """Return a residue as SMILES: ``X``, its mirror image ``dX``, or N-methylated ``meX``.

    Raises:
        KeyError: for a name the library does not hold.
    """
    if name in OTHER:
        return OTHER[name]
    mirrored, methyl = name.startswith("d"), name.startswith("me")
    side = SIDE_CHAINS[name.removeprefix("me") if methyl else name.removeprefix("d")]
    if mirrored:
        side = side.replace("[C@@H]", "[C@H]")
    return f"N{'(C)' if methyl else ''}{'[C@H]' if mirrored else '[C@@H]'}({side})C(=O)"


def peptide(
    names: Sequence[str],
    cap: str = "",
    cyclic: bool = False,
    amide: bool = False,
    bridge: tuple[int, int] | None = None,
) -> str:
    """Return the SMILES of a peptide, free, capped at its ends, or closed head to tail.

    Args:
        names: residues from N to C.
        cap: a name in `ACYL`; a cyclic peptide has none.
        cyclic: bind the last carbonyl to the first nitrogen.
        amide: end in an amide instead of an acid; a cyclic peptide has no end.
        bridge: places of two cysteines (``C`` or ``dC``) bound by a disulfide.

    Raises:
        KeyError: for a name the library does not hold.
        ValueError: for a bridge between residues that are no cysteines.
    """
    parts = [residue(name) for name in names]
    for place in bridge or ():
        if names[place] not in ("C", "dC"):
            raise ValueError(f"residue {place} is {names[place]}; a bridge binds cysteines")
        parts[place] = parts[place].replace("(CS)", "(CS8)")
    if cyclic:
        head, tail = parts[0], parts[-1].removesuffix("C(=O)")
        return "".join([head[0] + "9" + head[1:], *parts[1:-1], tail, "C9=O"])
    return ACYL[cap] + "".join(parts) + ("N" if amide else "O")


def helm(
    names: Sequence[str],
    cap: str = "",
    cyclic: bool = False,
    amide: bool = False,
    bridge: tuple[int, int] | None = None,
) -> str:
    """Return the same molecule as `peptide` in HELM, for the monomers that RDKit can read.

    Args:
        names: natural residues or `HELM_MONOMERS`, from N to C.
        cap: ``""`` or ``"Ac"``.
        cyclic: as in `peptide`.
        amide: as in `peptide`.
        bridge: as in `peptide`.
    """
    monomers = [name if len(name) == 1 else f"[{name}]" for name in names]
    chain = ["[ac]"] * (cap == "Ac") + monomers + ["[am]"] * amide
    shift = 2 if cap == "Ac" else 1
    bonds = []
    if bridge:
        bonds.append(f"PEPTIDE1,PEPTIDE1,{bridge[0] + shift}:R3-{bridge[1] + shift}:R3")
    if cyclic:
        bonds.append(f"PEPTIDE1,PEPTIDE1,{len(chain)}:R2-1:R1")
    return f"PEPTIDE1{{{'.'.join(chain)}}}${'|'.join(bonds)}$$$"
