"""The kind of an input file: found by its first bytes, then by its name.

Lines are read as SMILES only if the content does not contradict. A PDB file or an archive, read
line by line, gives graphs of nonsense. So a kind that cannot be read is refused by name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pepland_data.errors import InputError
from pepland_data.files.packed import PACKED, UNPACKING_ERRORS, open_unpacked, packing

HEAD_BYTES = 1 << 16
"""Bytes that are looked at."""
MAX_UNDECODABLE = 0.3
"""Share of NULs and bytes that are not UTF-8 above which a file is no text."""
FEW_BYTES = 1024
"""Of a shorter file only the first line is looked at."""
READABLE = "CSV, TSV, SMILES, SDF, FASTA, Parquet, Arrow, Feather or JSON Lines"
"""The kinds that are read, for messages."""

SUFFIXES = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".smi": "plain", ".smiles": "plain",
    ".ism": "plain", ".can": "plain", ".txt": "plain", ".helm": "plain", ".fasta": "fasta",
    ".fa": "fasta", ".faa": "fasta", ".sdf": "sdf", ".sd": "sdf", ".mol": "sdf",
    ".parquet": "parquet", ".pq": "parquet",
    ".feather": "arrow", ".arrow": "arrow", ".arrows": "arrow", ".ipc": "arrow",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
"""Suffix of the file name -> kind; any other suffix means ``plain``."""
PACKED_SUFFIXES = (".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd", ".lz4")

COLUMNAR = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
"""First bytes of a file of typed columns -> its kind."""
REFUSED = {
    b"PK\x03\x04": "a zip archive that must be unpacked", b"PK\x05\x06": "an empty zip archive",
    b"7z\xbc\xaf": "a 7z archive that must be unpacked",
    b"Rar!": "a RAR archive that must be unpacked", b"%PDF": "a PDF document",
    b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture",
    b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a NumPy array", b"SQLite format": "a database",
    b"\xd0\xcf\x11\xe0": "an office document", b"\x7fELF": "a program",
    b"FEA1": "a file of Feather version 1", b"\x80\x02": "a pickle", b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle", b"\x80\x05": "a pickle", b"{\\rtf": "an RTF document",
    b"X\n\0\0\0": "a file of R", b"RDX": "a file of R",
    **dict.fromkeys(PACKED, "a file that was compressed twice"),
}  # fmt: skip
"""First bytes of kinds that are not read -> what they are called."""
TAR_AT = 257
"""Position of the mark of a tar archive."""
COUNTS_LINE = re.compile(r"(?:.*\n){3}[ \d]{6}.*V[23]000\s*$", re.MULTILINE)
SDF_LINE = re.compile(r"^(?:M  END|\$\$\$\$)\s*$", re.MULTILINE)
FASTA = re.compile(r"(?:\s|;.*\n)*>")
SHAPES = (
    (r"(?:HEADER|TITLE |COMPND|SOURCE|KEYWDS|REMARK|SEQRES|CRYST1|MODEL |ATOM  |HETATM) *[ \d]",
     "a PDB file", "write its peptides as SMILES or FASTA"),
    (r"(?:#.*\n|\s)*data_\S*\s", "an mmCIF file", "write its peptides as SMILES or FASTA"),
    (r"\$RXN|\$RDFILE", "a file of reactions", "write its peptides as SMILES or SDF"),
    (r"ID   \S+ .*(?:AA|BP)\.", "a UniProt or EMBL flat file", "fetch the entries as FASTA"),
    (r"ROOT\s*$", "a PDBQT file", "write its peptides as SMILES or FASTA"),
    (r"\s*\d+[ \t]*\r?\n.*\n\s*[A-Z][a-z]?(?:\s+-?\d+\.\d+){3}", "an XYZ file",
     "write its molecules as SMILES or SDF"),
    (r"CLUSTAL|# STOCKHOLM|!!AA_MULT|PileUp|#NEXUS|\s*\d+\s+\d+\s*\n\S+\s+[A-Z-]{5}",
     "an alignment", "write its sequences as FASTA without gaps"),
    (r"@\S.*\n[A-Za-z.*-]+\r?\n\+", "a FASTQ file", "write residues as FASTA"),
    (r"LOCUS {3,}\S", "a GenBank file", "fetch the entries as FASTA"),
    (r"(?:#.*\n|\s)*@<TRIPOS>", "a MOL2 file", "convert it to SDF"),
    (r"\s*<[?!A-Za-z]", "an XML or HTML file", "export its table as CSV"),
    (r"\s*(?:\{|\[\s*[\{\"\n])", "a JSON document", "write one object per line (JSON Lines)"),
)  # fmt: skip
"""How a text begins, what such a file is called, and what to do."""


@dataclass(frozen=True)
class FileKind:
    """How an input is read."""

    name: str
    """``csv``, ``tsv``, ``plain``, ``fasta``, ``sdf``, ``parquet``, ``arrow`` or ``jsonl``."""
    packed: bytes
    """First bytes that say how the file is compressed, empty for one that is not."""

    def open(self, path: Path) -> Any:
        """Open the file for reading bytes, uncompressed."""
        return open_unpacked(path, self.packed)


PLAIN_TEXT = FileKind("plain", b"")


def file_kind(path: Path, input_format: str = "smiles") -> FileKind:
    """Return how to read a file.

    Args:
        path: a file that is there.
        input_format: ``fasta`` makes text of any name FASTA.

    Raises:
        InputError: a kind that is not read, or a compressed file that is damaged.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    packed = packing(head)
    named = _named_kind(path)
    if packed:
        head = _unpacked(path, packed)
    kind = next((k for mark, k in COLUMNAR.items() if head.startswith(mark)), None)
    if kind and packed:
        raise InputError(f"{path} is a compressed {kind.title()} file; unpack it first")
    if kind is None:
        kind = named if named in ("parquet", "arrow") else _text_kind(path, head, named)
    if input_format == "fasta" and kind in ("csv", "tsv", "plain"):
        kind = "fasta"
    return FileKind(kind, packed)


def _named_kind(path: Path) -> str:
    """Return the kind that the suffix stands for, ``plain`` for any other suffix."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in PACKED_SUFFIXES:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1], "plain") if suffixes else "plain"


def _unpacked(path: Path, packed: bytes) -> bytes:
    try:
        with open_unpacked(path, packed) as file:
            return bytes(file.read(HEAD_BYTES))
    except UNPACKING_ERRORS as error:
        raise InputError(f"{path} cannot be read to its end: {error}") from error


def _text_kind(path: Path, head: bytes, named: str) -> str:
    """Return the kind of a file of text."""
    refused = next((what for mark, what in REFUSED.items() if head.startswith(mark)), None)
    if head[TAR_AT:].startswith(b"ustar"):
        refused = "a tar archive that must be unpacked"
    elif head.startswith(b"PK") and b"[Content_Types].xml" in head:
        refused = "an office document, for example a workbook; export its table as CSV"
    if refused is None and _is_binary(head):
        refused = "a file of binary data"
    if refused:
        raise InputError(f"{path} is {refused}; inputs are {READABLE}")
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    if "\n" not in text and "\r" in text.rstrip("\r"):
        raise InputError(f"{path} ends its lines with \\r alone; save it with the line ends \\n")
    if named == "jsonl" or _is_json_object(text.partition("\n")[0]):
        return "jsonl"
    if _is_sdf(text, named):
        return "sdf"
    for shape, what, remedy in SHAPES:
        if re.match(shape, text, re.MULTILINE):
            raise InputError(f"{path} is {what}; {remedy}; inputs are {READABLE}")
    if named == "sdf":
        raise InputError(
            f"{path} has the name of an SDF file but no mol block with a line 'M  END'; inputs "
            f"are {READABLE}"
        )
    return "fasta" if named != "fasta" and FASTA.match(text) else named


def _is_sdf(text: str, named: str) -> bool:
    """Return whether a text begins with a record of an SDF file, a broken one if it is so named."""
    if text.startswith("$R"):  # files of reactions hold mol blocks
        return False
    return bool(COUNTS_LINE.match(text) or (named not in ("csv", "tsv") and SDF_LINE.search(text)))


def _is_binary(head: bytes) -> bool:
    """Return whether first bytes are no text; single rows of a text file may hold anything."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16, which has a message of its own
        return False
    first_line = head.partition(b"\n")[0]
    return any(map(_is_garbage, (first_line, head) if len(head) >= FEW_BYTES else (first_line,)))


def _is_garbage(part: bytes) -> bool:
    unreadable = part.decode("utf-8", "replace").count("\ufffd") + part.count(b"\0")
    return unreadable > MAX_UNDECODABLE * len(part)


def _is_json_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
