"""Residues as SMILES from N to C; the SMILES of a peptide is their concatenation and an O."""

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
"""Name -> side chain of an alpha amino acid; names of one letter are natural residues."""

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
"""D residues: the mirror images of the natural ones."""
METHYLATED = tuple(f"me{name}" for name in "AVLIFYKTSQE")
"""N-methylated residues found in drugs and natural products."""
UNUSUAL = tuple(n for n in (*SIDE_CHAINS, *OTHER) if len(n) > 1 and n != "dP")
"""Residues with side chains or backbones that natural proteins do not have."""
HELM_MONOMERS = (*MIRRORED, "Abu", "Nle", "Nva", "Orn", "Sar")
"""Names of other residues that RDKit's HELM reader knows."""


@cache
def residue(name: str) -> str:
    """Return a residue as SMILES: ``X``, its mirror image ``dX``, or N-methylated ``meX``.

    Raises:
        KeyError: the name is unknown.
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
    """Return the SMILES of a peptide, linear or cyclic, with or without caps at its ends.

    Args:
        names: residues from N to C.
        cap: a name in `ACYL`; not used for a cyclic peptide.
        cyclic: join the last carbonyl to the first nitrogen.
        amide: end in an amide instead of an acid; not used for a cyclic peptide.
        bridge: positions of two cysteines (``C`` or ``dC``) that a disulfide joins.

    Raises:
        KeyError: a name is unknown.
        ValueError: a residue of the bridge is not a cysteine.
    """
    parts = [residue(name) for name in names]
    for place in bridge or ():
        if names[place] not in ("C", "dC"):
            raise ValueError(f"residue {place} is {names[place]}; a bridge needs a cysteine")
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
    """Return the molecule of `peptide` as HELM, for monomers that RDKit can read.

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
