"""Monomer libraries in files: Pistoia or ChEMBL XML, Pistoia JSON, CSV with CXSMILES, and SDF."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rdkit import Chem

from pepland_data.chem.monomers.definition import (
    LABEL,
    POLYMERS,
    Monomer,
    MonomerError,
    monomer_of,
)
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.errors import InputError
from pepland_data.files.atomic import utf8_name
from pepland_data.files.packed import UNPACKING_ERRORS, open_unpacked, packing

MOST_BYTES = 256 * 2**20
"""A library file of more bytes, unpacked, is refused."""
KINDS = "Pistoia or ChEMBL XML, Pistoia JSON, CSV with columns Symbol and CXSMILES, or SDF"
NO_CAP = ("", "-", "None")
"""How files write that a monomer lacks an attachment point."""


@dataclass(frozen=True)
class LibraryFile:
    """What one file defines."""

    name: str
    monomers: Mapping[tuple[str, str], Monomer]
    """Polymer and symbol -> monomer."""
    names: Mapping[tuple[str, str], str]
    """Polymer and symbol -> full name, where the file has one."""
    faults: Mapping[tuple[str, str], str]
    """Polymer and symbol -> why this monomer cannot be used."""


@dataclass(frozen=True)
class Row:
    """A monomer as a file has it."""

    polymer: str
    """Name in the file; it may be unknown."""
    symbol: str
    name: str
    make: Callable[[], Monomer]
    """Raises MonomerError."""


def read_library(path: Path) -> LibraryFile:
    """Return the monomers of a file of any kind, compressed or not.

    Raises:
        InputError: the file is missing, damaged, empty or of another kind, or defines a symbol
            in two ways.
    """
    monomers: dict[tuple[str, str], Monomer] = {}
    names: dict[tuple[str, str], str] = {}
    faults: dict[tuple[str, str], str] = {}
    with RdkitMessages():
        for row in _rows(path, _text(path)):
            key = (row.polymer, row.symbol)
            names[key] = row.name
            try:
                made = row.make()
            except MonomerError as error:
                faults[key] = str(error)
                continue
            if monomers.setdefault(key, made) != made:
                raise InputError(
                    f"{path} defines {row.symbol!r} twice, as {monomers[key].smiles} and as "
                    f"{made.smiles}; delete one of the two"
                )
    if not names:
        raise InputError(f"{path} holds no monomers; expected {KINDS}")
    return LibraryFile(utf8_name(path), monomers, names, faults)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            packed = packing(file.read(16))
        with open_unpacked(path, packed) as file:
            data = bytes(file.read(MOST_BYTES + 1))
        if len(data) > MOST_BYTES:
            raise InputError(f"{path} has more than {MOST_BYTES:,} bytes; expected {KINDS}")
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"there is no monomer library {path}; expected {KINDS}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8; expected {KINDS}") from None
    except UNPACKING_ERRORS as error:
        raise InputError(f"the monomer library {path} cannot be read to its end: {error}") from None


def _rows(path: Path, text: str) -> Iterator[Row]:
    """Yield the monomers of a text; InputError for a text of another kind."""
    start = text.lstrip()[:1]
    if not start:
        raise InputError(f"{path} is empty; expected {KINDS}")
    read = {"<": _xml, "[": _json, "{": _json}.get(start)
    read = read or (_sdf if "M  END" in text else _csv)
    try:
        yield from read(text)
    except KeyError as error:
        raise InputError(f"{path} has a monomer without {error}; expected {KINDS}") from None
    except (ElementTree.ParseError, csv.Error, TypeError, AttributeError, RecursionError,
            ValueError) as error:  # fmt: skip
        raise InputError(f"{path} is no monomer library ({error}); expected {KINDS}") from None


def _polymer(name: str) -> str:
    polymer = (name or "PEPTIDE").upper()
    if polymer not in POLYMERS:
        raise MonomerError(f"its polymer {name!r} is unknown; expected {', '.join(POLYMERS)}")
    return polymer


def _row(
    polymer: str, symbol: str, name: str, structure: Any, caps: Any, places: Any = None
) -> Row:
    """Return a row; errors come when its monomer is made."""
    symbol = symbol.strip()
    if not symbol:
        raise ValueError("a monomer has no symbol")

    def make() -> Monomer:
        found = _polymer(polymer)
        if structure is None or structure == "":
            raise MonomerError("it has no structure that can be read")
        return monomer_of(found, symbol, structure, caps, places)

    return Row((polymer or "PEPTIDE").upper(), symbol, name or "", make)


def _xml(text: str) -> Iterator[Row]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it has a DTD or entities, which are not read")
    for element in ElementTree.fromstring(text).iter():
        if _tag(element) == "Monomer":
            yield _xml_monomer(element)


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _xml_monomer(element: Any) -> Row:
    own = {_tag(child): (child.text or "").strip() for child in element}
    points = [
        {_tag(field): (field.text or "").strip() for field in point}
        for point in element.iter()
        if _tag(point) == "Attachment"
    ]
    caps = _caps((p["AttachmentLabel"], p.get("CapGroupName"), p["AttachmentID"]) for p in points)
    polymer, name = own.get("PolymerType", ""), own.get("MonomerName", "")
    return _row(polymer, own["MonomerID"], name, own.get("MonomerSmiles"), caps)


def _json(text: str) -> Iterator[Row]:
    document = json.loads(text)
    if isinstance(document, dict):
        document = next((v for v in document.values() if isinstance(v, list)), [])
    for one in document:
        groups = one.get("rgroups")
        caps = None if groups is None else _caps(map(_json_cap, groups))
        structure = one.get("smiles") or Chem.MolFromMolBlock(one.get("molfile") or "")
        yield _row(
            one.get("polymerType") or "", one["symbol"], one.get("name") or "", structure, caps
        )


def _json_cap(group: Mapping[str, Any]) -> tuple[str, str | None, str]:
    name, key = group.get("capGroupName"), group.get("alternateId") or ""
    return (
        group["label"],
        name,
        key or _cap_of_smiles(group.get("capGroupSMILES") or group.get("capGroupSmiles") or ""),
    )


def _cap_of_smiles(smiles: str) -> str:
    """Return ``-OH`` for a cap such as ``O[*:2]``, and ``-H`` for ``[*:1][H]``."""
    mol = Chem.MolFromSmiles(smiles)
    heavy = [] if mol is None else [a for a in mol.GetAtoms() if a.GetAtomicNum() > 1]
    if len(heavy) > 1 or not smiles:
        return f"-{smiles}"
    if not heavy:
        return "-H"
    hydrogens = heavy[0].GetTotalNumHs()
    return f"-{heavy[0].GetSymbol()}{'H' * bool(hydrogens)}{hydrogens if hydrogens > 1 else ''}"


def _caps(points: Iterator[tuple[str, str | None, str]]) -> dict[int, str]:
    """Return caps by number, from label, name of the cap and a key such as ``R2-OH``."""
    caps = {}
    for label, name, key in points:
        match = LABEL.fullmatch(label)
        if match is None:
            raise ValueError(f"an attachment point is labelled {label!r}, not R1")
        caps[int(match[1])] = name or key.partition("-")[2]
    return caps


def _csv(text: str) -> Iterator[Row]:
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in first else ",")
    names = {name.strip().lower(): name for name in reader.fieldnames or ()}
    smiles = names.get("cxsmiles") or names.get("smiles")
    if "symbol" not in names or smiles is None:
        raise ValueError(f"its first line is {first.strip()[:80]!r}")
    points = {int(n[1:]): names[n] for n in names if re.fullmatch(r"r\d+", n)}
    for row in reader:
        cell = partial(_cell, row, names)
        caps = {n: str(row[c]).strip() for n, c in points.items() if _is_given(row[c])}
        polymer = cell("polymer_type") or cell("polymertype")
        yield _row(polymer, cell("symbol"), cell("name"), row[smiles], caps if points else None)


def _cell(row: Mapping[str, str], names: Mapping[str, str], name: str) -> str:
    return row.get(names.get(name, "")) or ""


def _is_given(cap: str | None) -> bool:
    return (cap or "").strip() not in NO_CAP


def _sdf(text: str) -> Iterator[Row]:
    supplier = Chem.SDMolSupplier()
    supplier.SetData(text, removeHs=False)
    for place, mol in enumerate(supplier):
        fields = dict(re.findall(r"^> *<(\w+)>.*\n(.*)", supplier.GetItemText(place), re.MULTILINE))
        yield _sdf_monomer({name: value.strip() for name, value in fields.items()}, mol)


def _sdf_monomer(fields: Mapping[str, str], mol: Any) -> Row:
    kind = fields.get("polymerType") or fields.get("m_type", "aa")
    polymer = {"aa": "PEPTIDE", "cap": "PEPTIDE"}.get(kind.lower(), kind)
    caps = _listed(fields["m_Rgroups"]) if "m_Rgroups" in fields else None
    places = _listed(fields["m_RgroupIdx"]) if "m_RgroupIdx" in fields else None
    atoms = None if places is None else {number: int(place) for number, place in places.items()}
    symbol = fields.get("symbol", "")
    return _row(polymer, symbol, fields.get("m_name", ""), mol, caps, atoms)


def _listed(values: str) -> dict[int, str]:
    """Return the values of R1, R2... of a list such as ``H,OH,None``."""
    parts: Sequence[str] = [part.strip() for part in values.split(",")]
    return {number: part for number, part in enumerate(parts, 1) if part not in NO_CAP}
