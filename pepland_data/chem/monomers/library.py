"""The monomers that the HELM reader knows: those of given files, then those of helmkit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from rdkit import Chem

from pepland_data.chem.monomers.definition import (
    POLYMERS,
    Monomer,
    MonomerError,
    helmkit_data,
    monomer_of,
    with_stereo,
)
from pepland_data.chem.monomers.given import Entry, GivenMonomers
from pepland_data.chem.rdkit_messages import RdkitMessages

NAME = re.compile(r"[^\[\](){}.|$,:\"]+")
"""What may be a symbol in a HELM text."""
MISREAD = frozenset(("Nal", "seC"))
"""Symbols that RDKit 2026.9 misreads: it leaves out Nal, and takes seC for selenomethionine."""
LETTERS = {"U": "seC", "O": "Pyl"}
"""Letters of selenocysteine and pyrrolysine, which helmkit's library has under other symbols."""
MIRRORED = frozenset(("RSpabCNA", "SRpabCNA", "Smc"))
"""Nucleotides of helmkit's library that it would mirror; see `definition.with_stereo`."""
CONTEXTS = {
    "PEPTIDE": (
        "PEPTIDE1{{[{0}]}}$$$$", "PEPTIDE1{{[{0}].G}}$$$$", "PEPTIDE1{{G.[{0}]}}$$$$",
        "PEPTIDE1{{G.[{0}].G}}$$$$",
        "PEPTIDE1{{[{0}]}}|PEPTIDE2{{C}}$PEPTIDE1,PEPTIDE2,1:R3-1:R3$$$",
    ),
    "RNA": (
        "RNA1{{[{0}](A)P}}$$$$", "RNA1{{R([{0}])P}}$$$$", "RNA1{{R(A)[{0}]}}$$$$",
        "RNA1{{R(A)[{0}].R(A)}}$$$$",
    ),
    "CHEM": (),
}  # fmt: skip
"""Texts that show how RDKit reads a symbol."""


class MonomerLibrary:
    """What the symbols of HELM stand for."""

    def __init__(self, entries: list[Entry], redefined: frozenset[str] = frozenset()) -> None:
        """Put given monomers before those of helmkit.

        Args:
            entries: the given monomers, see `GivenMonomers`.
            redefined: symbols that RDKit reads in another way.
        """
        self._overriding = MISREAD | redefined
        self._entries = entries
        self.faults = {symbol: why for _, symbol, _, _, why in entries if why}
        """Symbol -> why its monomer cannot be used."""

    @cached_property
    def monomers(self) -> Mapping[str, Mapping[str, Any]]:
        """The library as helmkit takes it; ImportError without helmkit."""
        merged = {kind: _Symbols(known) for kind, known in _bundled().items()}
        for symbol in MIRRORED & merged.get("rna", {}).keys():
            merged["rna"][symbol] = with_stereo(merged["rna"][symbol])
        for polymer, symbol, smiles, caps, why in self._entries:
            symbols = merged.setdefault(POLYMERS[polymer], _Symbols())
            if why:
                symbols.pop(symbol, None)
            else:
                symbols[symbol] = helmkit_data(Monomer(polymer, symbol, smiles, caps))
        for kind, polymer in zip(POLYMERS.values(), POLYMERS, strict=True):
            merged.setdefault(kind, _Symbols()).polymer = polymer
        return merged

    def overrides_rdkit(self, text: str) -> bool:
        """Return whether RDKit would read a symbol of a HELM text in another way."""
        return not self._overriding.isdisjoint(NAME.findall(text))

    def like(self, symbol: str) -> str:
        """Return a known symbol that differs in capital and small letters only, or ''."""
        return self._folded.get(symbol.casefold(), "")

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): name for symbols in self.monomers.values() for name in symbols}


class _Symbols(dict[str, Any]):
    """Monomers of one polymer by symbol, and those written in the text as SMILES with R labels."""

    polymer = "PEPTIDE"

    def __contains__(self, symbol: object) -> bool:
        return super().__contains__(symbol) or in_line(self.polymer, str(symbol)) is not None

    def __missing__(self, symbol: str) -> Any:
        return in_line(self.polymer, symbol)


@lru_cache(maxsize=4096)
def in_line(polymer: str, smiles: str) -> dict[str, Any] | None:
    """Return a monomer written as SMILES with numbered attachment points, None for anything else.

    A SMILES without R1 and R2 in a peptide is left to helmkit, which finds ends of amino acids.

    Raises:
        MonomerError: the SMILES or its labels are wrong.
    """
    if "*" not in smiles or ("_R" not in smiles and not re.search(r"\*:\d", smiles)):
        return None
    try:
        monomer = monomer_of(polymer, smiles, smiles)
    except MonomerError as error:
        raise MonomerError(f"monomer {smiles[:80]!r}: {error}") from None
    ends = {number for number, _ in monomer.caps} >= {1, 2}
    return helmkit_data(monomer) if ends or polymer != "PEPTIDE" else None


def monomer_in(library: MonomerLibrary, symbol: str) -> Monomer | None:
    """Return the peptide monomer of a symbol, None for an unknown one."""
    data = library.monomers["aa"].get(symbol)
    return _bundled_monomer("PEPTIDE", symbol, data) if data else None


def _bundled() -> Mapping[str, Mapping[str, Any]]:
    from helmkit import load_monomer_library

    library: Mapping[str, Mapping[str, Any]] = load_monomer_library()
    residues = library["aa"]
    letters = {letter: residues[name] for letter, name in LETTERS.items() if name in residues}
    return {**library, "aa": {**residues, **letters}}


@lru_cache(maxsize=8)
def library_of(given: GivenMonomers | None) -> MonomerLibrary:
    """Return the library for given monomers, None for the bundled ones alone; made once each."""
    return MonomerLibrary([]) if given is None else MonomerLibrary(*given.entries())


def bundled_monomers() -> dict[tuple[str, str], Monomer]:
    """Return the monomers of the bundled library by polymer and symbol; ImportError without it."""
    with RdkitMessages():
        return {
            (polymer, symbol): _bundled_monomer(polymer, symbol, data)
            for polymer, kind in POLYMERS.items()
            for symbol, data in _bundled()[kind].items()
        }


def _bundled_monomer(polymer: str, symbol: str, data: Mapping[str, Any]) -> Monomer:
    caps = {n: cap for n, cap in enumerate(data["m_Rgroups"], 1) if cap}
    places = {n: i for n, i in enumerate(data["m_RgroupIdx"], 1) if i is not None}
    return monomer_of(polymer, symbol, data["m_romol"], caps, places)


def rdkit_differs(entry: Entry, library: MonomerLibrary) -> bool:
    """Return whether RDKit's own HELM reader reads a symbol, and not as `library` defines it."""
    from helmkit import Molecule

    for context in CONTEXTS[entry[0]]:
        text = context.format(entry[1])
        mol = Chem.MolFromHELM(text)
        if mol is None:
            continue
        if entry[4]:
            return True
        try:
            other = Chem.MolFromSmiles(Chem.MolToSmiles(Molecule(text, library.monomers).mol))
        except (MonomerError, ValueError, RuntimeError):
            return True
        if other is None or Chem.MolToSmiles(other) != Chem.MolToSmiles(mol):
            return True
    return False
