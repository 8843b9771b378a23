"""Synthetic peptides with realistic lengths and residues, the same for the same seed.

Every random number is a hash of (seed, row, slot). So row i does not depend on the number of rows,
on the machine, or on the version of a random number library.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from pepland_data.chem.notation.monomers import (
    HELM_MONOMERS,
    METHYLATED,
    MIRRORED,
    NATURAL,
    UNUSUAL,
    helm,
    peptide,
)
from pepland_data.errors import InputError
from pepland_data.files.atomic import write_atomic
from pepland_data.hashing import salted, uniform

FORMATS = ("smiles", "sequence", "helm")
SWISS_PROT = {
    "A": 8.25, "R": 5.53, "N": 4.06, "D": 5.46, "C": 1.38, "Q": 3.93, "E": 6.72, "G": 7.07,
    "H": 2.27, "I": 5.91, "L": 9.65, "K": 5.80, "M": 2.41, "F": 3.86, "P": 4.74, "S": 6.65,
    "T": 5.36, "W": 1.10, "Y": 2.92, "V": 6.86,
}  # fmt: skip
"""Per cent of each residue in UniProtKB/Swiss-Prot (its release statistics, 2023)."""
LENGTH_SPREAD = 0.45
"""Standard deviation of the logarithm of the length."""
REPLACED = 0.25
"""Share of the residues of a non-canonical peptide that are not natural."""
POOLS = ((MIRRORED, 0.35), (METHYLATED, 0.2), (UNUSUAL, 0.45))
"""Non-natural residues and the share of each kind."""
CAPS = (("", 0.65), ("Ac", 0.25), ("Lau", 0.05), ("Myr", 0.05))
AMIDE = 0.3
"""Share of the linear non-canonical peptides that end in an amide."""
RING = 5
"""Fewest residues of a cyclic or bridged peptide."""
BLOCK = 4096
"""Peptides made at once."""


@dataclass(frozen=True)
class SynthOptions:
    """Number and kind of the peptides."""

    count: int = 1000
    """Number of peptides."""
    seed: int = 0
    """Decides which peptides are made."""
    form: str = "smiles"
    """``smiles``, ``sequence`` or ``helm``."""
    noncanonical: float = 0.3
    """Share with non-natural residues or ends."""
    cyclic: float = 0.1
    """Share closed head to tail."""
    bridged: float = 0.05
    """Share with a disulfide bridge; no peptide is cyclic and bridged."""
    min_length: int = 3
    """Fewest residues."""
    median_length: int = 14
    """Median number of residues before lengths are limited to min_length..max_length."""
    max_length: int = 50
    """Most residues."""

    def __post_init__(self) -> None:
        if self.form not in FORMATS:
            raise InputError(f"unknown form {self.form!r}; expected one of {', '.join(FORMATS)}")
        shares = {n: getattr(self, n) for n in ("noncanonical", "cyclic", "bridged")}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise InputError(f"{name} is {share}; expected a share from 0 to 1")
        if self.cyclic + self.bridged > 1:
            raise InputError(
                f"cyclic + bridged is {self.cyclic + self.bridged}; expected 1 or less"
            )
        if self.form == "sequence" and any(shares.values()):
            raise InputError(
                "a sequence of letters cannot write non-canonical, cyclic or bridged peptides; "
                "set these shares to 0, or use form smiles or helm"
            )
        if self.count < 0 or not 1 <= self.min_length <= self.median_length <= self.max_length:
            raise InputError(
                f"count {self.count}, lengths {self.min_length}, {self.median_length}, "
                f"{self.max_length}: expected 0 or more, and 1 <= min <= median <= max"
            )
        if self.cyclic + self.bridged > 0 and self.max_length < RING:
            raise InputError(
                f"rings need {RING} residues, max_length is {self.max_length}; raise it"
            )

    @cached_property
    def length_cdf(self) -> npt.NDArray[np.float64]:
        """Cumulative shares of the lengths min..max of a log-normal law. [L] float64."""
        law = NormalDist(np.log(self.median_length), LENGTH_SPREAD)
        lengths = range(self.min_length, self.max_length + 1)
        shares = [law.cdf(np.log(n + 0.5)) - law.cdf(np.log(n - 0.5)) for n in lengths]
        cdf: npt.NDArray[np.float64] = np.cumsum(shares) / np.sum(shares)
        return cdf

    @property
    def pools(self) -> tuple[tuple[tuple[str, ...], float], ...]:
        """Non-natural residues and their shares; with HELM only those that RDKit can read."""
        return ((HELM_MONOMERS, 1.0),) if self.form == "helm" else POOLS

    @property
    def caps(self) -> tuple[tuple[str, float], ...]:
        """N-terminal caps and their shares."""
        return (("", 0.65), ("Ac", 0.35)) if self.form == "helm" else CAPS


@dataclass(frozen=True)
class Peptide:
    """One peptide, independent of its notation."""

    names: tuple[str, ...]
    """Residues from N to C, names of `pepland_data.chem.notation.monomers`."""
    canonical: bool
    cap: str = ""
    amide: bool = False
    cyclic: bool = False
    bridge: tuple[int, int] | None = None

    @property
    def topology(self) -> str:
        """``cyclic``, ``bridged`` or ``linear``."""
        return "cyclic" if self.cyclic else "bridged" if self.bridge else "linear"

    def text(self, form: str) -> str:
        """Return the peptide as ``smiles``, ``sequence`` or ``helm``."""
        if form == "sequence":
            return "".join(self.names)
        write = peptide if form == "smiles" else helm
        return write(self.names, self.cap, self.cyclic, self.amide, self.bridge)

    def label(self) -> str:
        """Return the residues in readable form: ``cyclo(A-dF-G)``, ``Ac-A-C-Aib-NH2``."""
        chain = "-".join(self.names)
        if self.cyclic:
            return f"cyclo({chain})"
        return f"{self.cap}-" * bool(self.cap) + chain + "-NH2" * self.amide


def draws(seed: int, rows: npt.NDArray[np.int64], slots: range) -> npt.NDArray[np.float64]:
    """Return numbers in [0, 1) from (seed, row, slot). [rows, slots] float64."""
    of_row = salted(rows.astype(np.uint64), seed)[:, None]
    slot = np.asarray(slots, np.uint64)
    return uniform(salted(np.asarray(of_row + slot, np.uint64), 1))


def peptides(options: SynthOptions) -> Iterator[Peptide]:
    """Yield the peptides in order; memory does not grow with their number."""
    for start in range(0, options.count, BLOCK):
        yield from _block(options, np.arange(start, min(start + BLOCK, options.count)))


def _block(options: SynthOptions, rows: npt.NDArray[np.int64]) -> Iterator[Peptide]:
    head = draws(options.seed, rows, range(8))
    lengths = options.min_length + np.searchsorted(options.length_cdf, head[:, 0], "right")
    lengths = np.minimum(lengths, options.max_length)
    cyclic = head[:, 1] < options.cyclic
    bridged = ~cyclic & (head[:, 1] < options.cyclic + options.bridged)
    lengths = np.where(cyclic | bridged, np.maximum(lengths, RING), lengths)
    unnatural = head[:, 2] < options.noncanonical
    body = draws(options.seed, rows, range(8, 8 + 3 * int(lengths.max(initial=1))))
    names = _residues(options, body, lengths, unnatural, head[:, 3])
    for i, length in enumerate(lengths.tolist()):
        made = Peptide(tuple(names[i, :length].tolist()), not unnatural[i], cyclic=bool(cyclic[i]))
        if bridged[i]:
            made = _bridged(made, head[i, 4], head[i, 5])
        elif unnatural[i] and not cyclic[i]:
            cap = options.caps[_choose([share for _, share in options.caps], head[i, 6])][0]
            made = replace(made, cap=cap, amide=bool(head[i, 7] < AMIDE))
        yield made


def _residues(
    options: SynthOptions,
    body: npt.NDArray[np.float64],
    lengths: npt.NDArray[np.int64],
    unnatural: npt.NDArray[np.bool_],
    one: npt.NDArray[np.float64],
) -> npt.NDArray[np.object_]:
    """Return residue names [N, longest]; each non-canonical row has a non-natural residue."""
    which, replaced, what = body[:, 0::3], body[:, 1::3] < REPLACED, body[:, 2::3]
    natural = np.array(NATURAL, object)[_choose([SWISS_PROT[n] for n in NATURAL], which)]
    replaced[np.arange(len(one)), (one * lengths).astype(np.int64)] = True
    flat = [(name, share / len(pool)) for pool, share in options.pools for name in pool]
    other = np.array([name for name, _ in flat], object)[_choose([s for _, s in flat], what)]
    names: npt.NDArray[np.object_] = np.where(replaced & unnatural[:, None], other, natural)
    return names


def _choose(weights: list[float], u: Any) -> Any:
    """Return the indices that uniform numbers `u` choose by these weights."""
    cdf = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(cdf, u, "right"), len(weights) - 1)


def _bridged(made: Peptide, u: float, v: float) -> Peptide:
    """Insert two cysteines with two or more residues between them, and connect them."""
    names, n = list(made.names), len(made.names)
    first = int(u * (n - 3))
    second = first + 3 + int(v * (n - first - 3))
    names[first] = names[second] = "C"
    canonical = all(name in NATURAL for name in names)
    return replace(made, names=tuple(names), canonical=canonical, bridge=(first, second))


@dataclass(frozen=True)
class SynthReport:
    """Numbers of a written file."""

    path: str
    count: int
    kinds: dict[str, int]
    """``canonical`` and ``noncanonical`` -> peptides."""
    topologies: dict[str, int]
    """``linear``, ``cyclic`` and ``bridged`` -> peptides."""
    mean_length: float
    """Residues per peptide."""


SUFFIXES = (".csv", ".tsv", ".smi", ".txt")


def write_peptides(
    out: str | Path,
    options: SynthOptions,
    progress: Callable[[int], object] = lambda done: None,
) -> SynthReport:
    """Write synthetic peptides to ``.csv``, ``.tsv``, ``.smi`` or ``.txt``, gzipped with ``.gz``.

    CSV and TSV have the columns text (named after the form), kind, topology, length, residues;
    ``.smi`` has text and residues; ``.txt`` the text alone. ``-`` writes CSV to standard output.

    Raises:
        InputError: `out` has another suffix.
    """
    path = Path(out)
    suffix = ".csv" if str(out) == "-" else Path(path.name.removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        raise InputError(f"{out}: expected a name that ends in {', '.join(SUFFIXES)}, or .gz")
    kinds: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    residues = 0

    def write(file: Any) -> None:
        nonlocal residues
        with _text_file(file, str(out).endswith(".gz")) as text:
            row_writer = _writer(text, suffix, options.form)
            for number, made in enumerate(peptides(options), 1):
                kind = "canonical" if made.canonical else "noncanonical"
                kinds[kind] += 1
                shapes[made.topology] += 1
                residues += len(made.names)
                row_writer(made, kind)
                if number % BLOCK == 0 or number == options.count:
                    progress(number)

    if str(out) == "-":
        write(sys.stdout.buffer)
    else:
        write_atomic(path, write)
    mean = residues / max(options.count, 1)
    return SynthReport(str(out), options.count, dict(kinds), dict(shapes), mean)


@contextmanager
def _text_file(file: Any, gzipped: bool) -> Iterator[Any]:
    packed = gzip.GzipFile("", "wb", 6, file, mtime=0) if gzipped else None
    text = io.TextIOWrapper(packed or file, "utf-8", newline="", write_through=False)
    yield text
    text.flush()
    text.detach()
    if packed:
        packed.close()


def _writer(text: Any, suffix: str, form: str) -> Callable[[Peptide, str], object]:
    if suffix == ".txt":
        return lambda made, kind: text.write(f"{made.text(form)}\n")
    if suffix == ".smi":
        return lambda made, kind: text.write(f"{made.text(form)} {made.label()}\n")
    rows = csv.writer(text, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    rows.writerow([form, "kind", "topology", "length", "residues"])
    return lambda made, kind: rows.writerow(
        [made.text(form), kind, made.topology, len(made.names), made.label()]
    )
