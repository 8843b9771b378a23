"""Random molecules that are difficult for a featurizer: unusual peptides and fragments."""

from __future__ import annotations

import csv
import random

from rdkit import Chem

from pepland_data.chem.notation.monomers import ACYL, OTHER, SIDE_CHAINS, peptide
from pepland_data.resources import sample_path

SALTS = [".Cl", ".[Na+]", ".OC(=O)C(F)(F)F", ".O.O", ".[Cl-].[Cl-]", ".[Zn+2]", ".CC(=O)[O-]"]
STUMPS = [
    "F/C=C/", "F/C=C\\", "C/C(Cl)=C(/Br)", "[13CH3]", "[2H]C([2H])([2H])", "O=C1CCC(=O)N1",
    "O=C1NC(=O)C(N1)", "NC(=O)NC(=O)", "O=C(N)C(=O)N", "CS(=O)(=O)N", "CP(=O)(O)O", "[O-][N+](=O)C",
    "C[N+](C)(C)C", "[O-]C(=O)C", "C#CC", "N#CC", "c1ccc2c(c1)[nH]cc2C", "c1cnc[nH]1",
    "O=c1cc[nH]cc1",
    "[C@@H]1(O)CC[C@H](C)CC1", "C1CC2CCC1C2", "[SiH3]C", "B(O)(O)C", "[Se]C", "IC", "ClC", "BrC",
    "C12C3C4C1C5C2C3C45", "[CH2]C", "[H]/N=C(\\N)N", "OC(=O)/C=C/C(=O)N", "N=[N+]=[N-]",
    "[nH]1cccc1",
    "C=CC(=O)N", "O=C1NCCN1", "CC(=O)N(C)C(=O)", "S1CC(=O)N(C1=O)", "C[C@](F)(Cl)",
    "[C@]1(C)(N)CCO1",
]  # fmt: skip
JOINTS = [
    "", "C", "N", "O", "S", "SS", "C(=O)", "C(=O)N", "NC(=O)", "/C=C/", "c1ccc(cc1)", "N(C)C(=O)",
]  # fmt: skip
NAMES = [*SIDE_CHAINS, *OTHER]


def odd_molecules(count: int, seed: int) -> list[str]:
    """Return SMILES that RDKit can read; equal seeds give equal lists."""
    rng = random.Random(seed)
    made: list[str] = []
    while len(made) < count:
        smiles = _one(rng)
        mol = Chem.MolFromSmiles(smiles)
        if mol is not None:
            made.append(_written(mol, smiles, rng))
    return made


def _one(rng: random.Random) -> str:
    kind = rng.random()
    names = [_residue(rng) for _ in range(rng.randint(1, 8))]
    if kind < 0.15 and len(names) > 2:
        body = peptide(["A", *names, "G"], cyclic=True)
    elif kind < 0.3:
        body = _bridged(names)
    elif kind < 0.7:
        body = peptide(names, cap=rng.choice(list(ACYL)))
    else:
        body = rng.choice(STUMPS) + rng.choice(JOINTS) + rng.choice(STUMPS)
    if rng.random() < 0.5:
        body = rng.choice(STUMPS) + rng.choice(JOINTS) + body
    return body + (rng.choice(SALTS) if rng.random() < 0.2 else "")


def _residue(rng: random.Random) -> str:
    name = rng.choice(NAMES)
    prefix = rng.choice(["", "", "d", "me"])
    return prefix + name if name in SIDE_CHAINS and prefix + name not in OTHER else name


def _bridged(names: list[str]) -> str:
    cys = "N[C@@H](CS8)C(=O)"
    return cys + peptide(names).removesuffix("O") + cys + "O"


def _written(mol: Chem.Mol, smiles: str, rng: random.Random) -> str:
    """Return the SMILES, or another one: in random order, kekulised, or with all hydrogens."""
    how = rng.random()
    if how < 0.4:
        return smiles
    if how < 0.75:
        return random_orders(mol, 1, seed=1)[0]
    if how < 0.9:
        return Chem.MolToSmiles(mol, allHsExplicit=True)
    return Chem.MolToSmiles(mol, kekuleSmiles=True)


def random_orders(mol: Chem.Mol, count: int, seed: int) -> list[str]:
    """Return SMILES with the atoms in random orders, the same ones for equal seeds.

    ``doRandom`` of RDKit draws from one generator of the process, so it depends on earlier draws.
    """
    return list(Chem.MolToRandomSmilesVect(mol, count, randomSeed=seed))


def sample_smiles() -> list[str]:
    """Return the SMILES of the bundled sample."""
    with sample_path().open(newline="", encoding="utf-8") as file:
        return [row["smiles"] for row in csv.DictReader(file)]
