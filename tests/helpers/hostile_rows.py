"""Rows of a CSV file that may break a reader, and whether each becomes a graph."""

from __future__ import annotations

import random
from dataclasses import dataclass

from rdkit import Chem

from pepland_data.chem.notation.monomers import SIDE_CHAINS, peptide
from tests.helpers.odd_molecules import random_orders

GRAPH, REJECT, EITHER = "graph", "reject", "either"


@dataclass(frozen=True)
class HostileRow:
    """One row of the file."""

    kind: str
    line: bytes
    """The field as written in the file, quoted if necessary."""
    becomes: str
    """``graph``, ``reject`` or ``either``."""


FULLERENE = (
    "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6"
    "c%11c2c2c7c3c3c8c4c4c9c5c1c1c6c2c3c41"
)
FAST_KINDS = [
    ("empty quotes", b'""', REJECT),
    ("spaces", b"   ", REJECT),
    ("control characters", b"C\x01C\x02\x1bO", REJECT),
    ("tab inside", b'"CC\tO"', EITHER),
    ("not UTF-8", b"CC\xff\xfeO", REJECT),
    ("UTF-8 that is no SMILES", "CC\u2603\U0001f9ea".encode(), REJECT),
    ("byte order mark inside", "\ufeffCCO".encode(), EITHER),
    ("nul byte", b"CC\x00O", REJECT),
    ("metal complex", b"[Pt](Cl)(Cl)([NH3])[NH3]", EITHER),
    ("ferrocene", b"[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1", GRAPH),
    ("bare metals", b"[Na+].[K+].[Og]", GRAPH),
    ("heavy isotope", b"[999C]", EITHER),
    ("fullerene", FULLERENE.encode(), EITHER),
    ("any atom", b"C*C", REJECT),
    ("one any atom", b"*", REJECT),
    ("attachment points", b"[*:1]CC[*:2]", REJECT),
    ("reaction", b"CC(=O)O>>CC(=O)N", REJECT),
    ("reaction with agents", b"CO.CC>[Pd]>CCO", REJECT),
    ("quoted comma", b'"CC,O"', REJECT),
    ("quoted quote", b'"C""C"', REJECT),
    ("quoted line break", b'"CC\nO"', EITHER),
    ("unclosed ring", b"C1CC", REJECT),
    ("unclosed branch", b"C(C(C", REJECT),
    ("five bonds", b"C(C)(C)(C)(C)C", REJECT),
    ("no ring system", b"c1cccc1", REJECT),
    ("a thousand brackets", b"C" + b"(" * 1000, REJECT),
    ("SMARTS", b"[#6;R]~[!#1]", REJECT),
    ("a number", b"3.14159", REJECT),
    ("a formula of a sheet", b"=HYPERLINK(A1)", REJECT),
    ("not a number", b"nan", REJECT),
    ("octahedral", b"C[Co@OH3](F)(Cl)(Br)(I)S", REJECT),
    ("atom map", b"[CH3:1][OH:2]", GRAPH),
    ("quadruple bond", b"[Re]$[Re]", EITHER),
    ("hydrogen alone", b"[H][H]", EITHER),
    ("protein letters", b"MKTAYIAKQR", REJECT),
    ("HELM", b"PEPTIDE1{A.G.C}$$$$", REJECT),
]
SLOW_KINDS = [
    ("a megabyte", b"C" * 1_000_000, REJECT),
    ("a megabyte in quotes", b'"' + b"N" * 1_000_000 + b'"', REJECT),
    ("90,000 letters", b"CCO" * 30_000, REJECT),
    ("polymer of 5,001 atoms", b"CCO" * 1667, REJECT),
    ("polymer of 10,000 atoms", b"C" * 10_000, REJECT),
    ("polyglycine of 5,000 atoms", b"NCC(=O)" * 1249 + b"NCCO", GRAPH),
    ("polyethylene of 5,000 atoms", b"C" * 5000, EITHER),
    ("2,400 components", b".".join([b"O"] * 2400), GRAPH),
    ("500 rings", b"C1CC1" * 500, EITHER),
]


def hostile_rows(count: int, seed: int = 0, slow: int = 1) -> list[HostileRow]:
    """Return rows of every kind, good ones among them, in random order.

    Args:
        count: rows in all.
        seed: the same rows for the same seed.
        slow: rows of each kind that takes seconds or megabytes.
    """
    rng = random.Random(seed)
    rows = [HostileRow(*kind) for kind in SLOW_KINDS for _ in range(slow)]
    while len(rows) < count:
        rows.append(_good(rng) if rng.random() < 0.4 else HostileRow(*rng.choice(FAST_KINDS)))
    rng.shuffle(rows)
    return rows[:count]


def _good(rng: random.Random) -> HostileRow:
    smiles = peptide(rng.choices(list(SIDE_CHAINS), k=rng.randint(2, 12)))
    if rng.random() < 0.3:
        smiles = random_orders(Chem.MolFromSmiles(smiles), 1, seed=1)[0]
    return HostileRow("good", smiles.encode(), GRAPH)


def csv_file(rows: list[HostileRow]) -> bytes:
    """Return the file, with a column that names each row's kind."""
    return b"smiles,kind\n" + b"".join(b'%b,"%b"\n' % (r.line, r.kind.encode()) for r in rows)
