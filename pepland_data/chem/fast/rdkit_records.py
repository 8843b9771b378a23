"""The records of a molecule's atoms and bonds, read from RDKit's serialized form.

``Mol.ToBinary()`` writes a short record for each atom and each bond. Atoms with equal records have
equal properties, so one look-up of the record replaces many calls of RDKit. The layout is that of
RDKit's pickle format 16. `layout_is_known` checks it on sample molecules once per process. If the
check fails, or a record has an unusual part, the plain path is used instead.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem

HEADER = struct.Struct("<5i2i2B")
MAGIC, FORMAT, FLAGS, BEGIN_ATOM = -0x21524111, 16, 0x80, 0x01
BEGIN_BOND, BEGIN_RINGS = 0x0B, 0x42
AROMATIC, NO_IMPLICIT = 0x40, 0x20
SHORT_FIELDS = ("charge", "chiral", "hybridization", "hs", "valence", "implicit_hs", "radicals")
ISOTOPE = 0x100
STEREO, DIRECTION, TYPE = 0x02, 0x04, 0x08
DEFAULT_HYBRIDIZATION, SINGLE, AROMATIC_TYPE = 4, 1, 12


def _atom_sizes() -> dict[bytes, int]:
    """Return the size in bytes of an atom record by its flags and the bytes of its field mask."""
    sizes = {}
    for flags, mask in product((0, AROMATIC, NO_IMPLICIT, AROMATIC | NO_IMPLICIT), range(512)):
        if not mask & 1:
            fields = (mask & 0xFE).bit_count() + 4 * bool(mask & ISOTOPE)
            sizes[bytes([flags]) + mask.to_bytes(4, "little")] = 6 + fields
    return sizes


ATOM_SIZES = _atom_sizes()
BOND_SIZES = {
    conjugated | aromatic | kind | direction | stereo: 1 + sum(map(bool, (kind, direction, stereo)))
    for conjugated, aromatic, kind, direction, stereo in product(
        (0, 0x20), (0, 0x40), (0, TYPE), (0, DIRECTION), (0, STEREO)
    )
}


@dataclass(frozen=True)
class RdkitRecords:
    """The records of one molecule."""

    atoms: list[bytes]
    """[A] record of each atom, in RDKit atom order."""
    bonds: list[bytes]
    """[B] record of each bond without its atoms and stereo atoms, in RDKit bond order."""
    ends: npt.NDArray[np.int64]
    """[B, 2] int64, begin and end atom."""
    stereo: dict[int, list[int]]
    """Bond of defined stereo -> its two stereo atoms; none if they are not recorded."""


def read_rdkit_records(mol: Any) -> RdkitRecords | None:
    """Return the records of a molecule, or None if it needs the plain path."""
    return _read(mol.ToBinary()) if layout_is_known() else None


def _read(data: bytes) -> RdkitRecords | None:
    magic, zero, version, *_, count, bonds, flags, tag = HEADER.unpack_from(data)
    if (magic, zero, version, flags, tag) != (MAGIC, 0, FORMAT, FLAGS, BEGIN_ATOM):
        return None
    try:
        atoms, position = _atom_records(data, HEADER.size, count)
        if data[position] != BEGIN_BOND:
            return None
        width = 1 if max(count, bonds) <= 255 else 4
        bond_records, places, stereo, position = _bond_records(data, position + 1, bonds, width)
        ends = _ends(data, places, width)
        if data[position] != BEGIN_RINGS or (bonds and not 0 <= ends.min() <= ends.max() < count):
            return None
    except (KeyError, IndexError):
        return None
    return RdkitRecords(atoms, bond_records, ends, stereo)


def _atom_records(data: bytes, position: int, count: int) -> tuple[list[bytes], int]:
    records = []
    for _ in range(count):
        stop = position + ATOM_SIZES[data[position + 1 : position + 6]]
        records.append(data[position:stop])
        position = stop
    return records, position


def _bond_records(
    data: bytes, position: int, count: int, width: int
) -> tuple[list[bytes], list[int], dict[int, list[int]], int]:
    records, places, stereo = [], [], {}
    for bond in range(count):
        places.append(position)
        position += 2 * width
        flags = data[position]
        stop = position + BOND_SIZES[flags]
        records.append(data[position:stop])
        position = stop
        if flags & STEREO:
            atoms = list(range(stop + 1, stop + 1 + width * data[stop], width))
            stereo[bond] = [int.from_bytes(data[i : i + width], "little") for i in atoms]
            position += 1 + width * data[stop]
    return records, places, stereo, position


def _ends(data: bytes, places: list[int], width: int) -> npt.NDArray[np.int64]:
    raw = np.frombuffer(data, np.uint8)
    steps = np.arange(2 * width)
    found = raw[np.asarray(places, np.int64)[:, None] + steps]
    return np.asarray(found if width == 1 else found.view("<i4"), np.int64)


def atom_fields(record: bytes) -> dict[str, int]:
    """Return the fields of an atom record by name."""
    number, flags, mask = struct.unpack_from("<BBi", record)
    fields = {"number": number, "aromatic": int(bool(flags & AROMATIC))}
    fields |= {"no_implicit": int(bool(flags & NO_IMPLICIT)), "isotope": 0}
    fields |= dict.fromkeys(SHORT_FIELDS, 0) | {"hybridization": DEFAULT_HYBRIDIZATION}
    position = 6
    for bit, name in enumerate(SHORT_FIELDS, 1):
        if mask & 1 << bit:
            (fields[name],) = struct.unpack_from("<b", record, position)
            position += 1
    if mask & ISOTOPE:
        (fields["isotope"],) = struct.unpack_from("<i", record, position)
    return fields


def bond_type(record: bytes) -> int:
    """Return RDKit's number for the bond type: 1 single, 2 double, 3 triple, 12 aromatic."""
    return record[1] if record[0] & TYPE else SINGLE


SAMPLES = (
    "C[C@H](N)C(=O)N1CCC[C@H]1C(=O)O",
    "F/C=C/C#N.[Na+].[13CH3][O-].C[N+](C)(C)C",
    "c1cc(Br)ccc1-c1c[nH]c2ccccc12.[CH2]C.[2H]OS(=O)(=O)C",
    "CP(=O)(O)OC=CC=O.FS(F)(F)(F)(F)F.[Fe+2].I[C@@](Cl)(F)C#N",
    "C" * 260 + "C(=O)NC[C@@H](C)c1ccccc1",
    "C" * 200 + ".C12C3C4C1C5C2C3C45" * 6,
)


@cache
def layout_is_known() -> bool:
    """Return whether this RDKit writes the records of the sample molecules as expected."""
    return all(_agrees(Chem.MolFromSmiles(smiles)) for smiles in SAMPLES)


def _agrees(mol: Any) -> bool:
    records = _read(mol.ToBinary())
    if records is None:
        return False
    atoms = [atom_fields(record) for record in records.atoms]
    ends = [[b.GetBeginAtomIdx(), b.GetEndAtomIdx()] for b in mol.GetBonds()]
    kinds = [(int(b.GetBondType()), b.GetIsConjugated()) for b in mol.GetBonds()]
    read = [(bond_type(record), bool(record[0] & 0x20)) for record in records.bonds]
    stereo = {b.GetIdx(): list(b.GetStereoAtoms()) for b in mol.GetBonds() if b.GetStereo()}
    return (
        atoms == [_expected_fields(a) for a in mol.GetAtoms()]
        and records.ends.tolist() == ends
        and read == kinds
        and records.stereo == stereo
    )


def _expected_fields(atom: Any) -> dict[str, int]:
    return {
        "number": atom.GetAtomicNum(),
        "aromatic": int(atom.GetIsAromatic()),
        "no_implicit": int(atom.GetNoImplicit()),
        "isotope": atom.GetIsotope(),
        "charge": atom.GetFormalCharge(),
        "chiral": int(atom.GetChiralTag()),
        "hybridization": int(atom.GetHybridization()),
        "hs": atom.GetNumExplicitHs(),
        "valence": atom.GetValence(Chem.ValenceType.EXPLICIT),
        "implicit_hs": atom.GetNumImplicitHs(),
        "radicals": atom.GetNumRadicalElectrons(),
    }
