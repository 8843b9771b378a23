"""Name the notation of a text that is no SMILES, no sequence and no HELM.

It is asked only about texts that could not be read, so it decides nothing but the message.
"""

from __future__ import annotations

import re

from pepland_data.chem.notation.alphabet import NEVER_SMILES, POLYMERS
from pepland_data.chem.notation.residue_letters import sequence_fault

CODES = (
    "Ala|Arg|Asn|Asp|Asx|Cys|Gln|Glu|Glx|Gly|His|Hyp|Ile|Leu|Lys|Met|Phe|Pro|Sec|Pyl|Ser|Thr|Trp|"
    "Tyr|Val|Xaa|Abu|Aib|Aad|Cha|Cit|Dab|Dap|Hcy|Hse|Nal|Nle|Nva|Orn|Pen|Phg|Pip|Sar|Sta|Tic|Tle"
)
"""Three-letter codes, the usual ones of unnatural residues among them."""
BARE = f"(?i:{CODES})"
CODE = f"(?<![A-Za-z]){BARE}(?![A-Za-z])"
CAPS = (
    r"(?:Ac|H|H2N|Me|For|Bz|Bn|Boc|Fmoc|Cbz|Z|Tos|Suc|MeOSuc|Glutaryl|Biotin\w*|FITC|TAMRA|\d-FAM|FAM|"
    r"Dansyl|Dns|D[Aa][Bb][Cc][Yy][Ll]|DOTA|(?:2-)?Abz|Mca|Dnp|Myr|Myristoyl|Pal|Palmitoyl|Stearo?yl|Lauroyl|"
    r"Decanoyl|Octanoyl|Hexanoyl|Caproyl|(?:Iso)?[Bb]utyryl|Isovaleryl|Acetyl|Formyl|Propionyl|"
    r"17-carboxyheptadecanoyl|Benzoyl|Tosyl|Succinyl|Malonyl|Alloc|Nicotinoyl|Cinnamoyl|"
    r"Lipoyl|Ahx|pGlu|Pyr|OH|NH2|CHO|CONH2|COOH|AMC|MCA|AFC|ACC|pNA|[βb]NA|4MβNA|EDANS|[fcFC]MK|"
    r"FMK|OMe|OEt|OtBu|OBn|OBzl|SBzl|NH-?Me|NH-?CH3|NH-?Et|NH-?NH2|NHOH|NMe2|OSu|al|ol)"
)
"""Names of groups at the ends of a peptide."""
CHANGE = (
    rf"(?:(?:[DL]|[Dd]es|NMe|Me|\d|allo|β|α)-?){{0,4}}(?:{CODES})"
    r"(?:\([^()]*\))?(?:-[A-Za-z]{1,8})?\d{1,3}"
)
CHANGED_PARENT = re.compile(
    rf"(?:\w{{1,12}}-)?[(\[](?P<changes>{CHANGE}(?:[,;] ?{CHANGE})*)[)\]][- ]?"
    r"(?P<parent>(?=.*[A-Za-zα-ω]{3}).+)"
)
"""A name that changes residues of a parent peptide, as ``[D-Ala2,Leu5]-enkephalin``."""
LETTERS = "[ACDEFGHIKLMNPQRSTVWYacdefghiklmnpqrstvwy]"
CYCLIC = "a cyclic peptide written as cyclo(...)"
SMALL_LETTERS = re.compile(r"[acdefghiklmnpqrstvwy]{2,}")
SHAPES = (
    (r"(?i:nan|null|none|n/a|n\.a\.|missing|#(?:n/a|name\?|ref!|value!|div/0!|num!|null!))|[?.-]+|\\N",
     "a missing value"),
    (r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?", "a number"),
    (r"(?:InChI=)?1S?/[A-Z].*", "InChI"),
    (r"(?:InChIKey=)?[A-Z]{14}-[A-Z]{10}-[A-Z]", "an InChIKey"),
    (r">.*", "a FASTA header line"),
    (r"#.*", "a comment"),
    (r"\$\$\$\$|M  (?:END|CHG|V30).*|.*V[23]000|(?:-?\d+\.\d{3,}\s+){3}.*",
     "a line of a mol block"),
    (rf"(?:{'|'.join(POLYMERS)})\d+.*|.*\$\$\$\$(?:V2\.0)?", "incomplete HELM"),
    (r"\d{2,7}-\d\d-\d", "a CAS number"),
    (r"(?i:cyclo|cyc)[- ]?[(\[{].*|(?:\S+-)?c[(\[](?=[^)\]]*[ADEGHKLMQRTVWY]).*[)\]].*",
     CYCLIC),
    (CHANGED_PARENT.pattern, "a parent peptide with changed residues"),
    (r".*\(\d+,\d+\).*", "BILN"),
    (rf".*?{CODE}.*?{CODE}.*|(?:{CAPS}-)*(?:[DL]-)?{CODE}(?:-{CAPS})*|(?:{BARE}){{2,}}",
     "a peptide in three-letter codes"),
    (rf"(?:{CAPS}-)+{LETTERS}+(?:-{CAPS})*|{LETTERS}+(?:-{CAPS})+",
     "a sequence with named ends"),
    (rf"{LETTERS}(?:-{LETTERS})+", "BILN, residues joined by hyphens,"),
    (r"(?:sp|tr|ref|gb|emb|pdb)\|.+|[OPQ]\d[A-Z\d]{3}\d(?:[-.]\d+)?|"
     r"[A-NR-Z]\d(?:[A-Z][A-Z\d]{2}\d){1,2}(?:[-.]\d+)?|[A-Z\d]{1,10}_[A-Z\d]{3,5}|"
     r"[ANXYW]P_\d{6,9}(?:\.\d+)?|UPI[\dA-F]{10}|UniRef\d+_\w+", "a protein accession"),
    (r"CHEMBL\d+|CHEBI:\d+|DB\d{5}|CID:? ?\d+|ZINC\d+|[1-9][A-Z\d]{3}(?:[_:.][A-Za-z])?",
     "a name of a database entry"),
    (r"(?=\D*\d)C\d*H\d*(?:(?:Br|Cl|Na|[BCFINOPS])\d*)*", "a molecular formula"),
    (r"[^<>\s]*(?<!-)>[^<>\s]*(?<!-)>[^<>\s]*", "a reaction"),
)  # fmt: skip
"""Pattern of a whole text -> the name of its notation; the first that fits counts."""
BRACKETS = re.compile(r"\[[^\[\]]*\]|\((?:[^()]|\([^()]*\))*\)|\{[^{}]*\}|<[^<>]*>")
WORD = re.compile(r"(?=[a-z]*[^bcnops\W\d_])[A-Za-z]?[a-z]{4,}")
"""Small letters that no SMILES has in a row."""
NAME = re.compile(r"(?=[A-Z]*[ADEGHKLMQRTVWY])[A-Z]{2,6}-\d{1,4}[A-Za-z]?")
"""Letters and a number, as in GLP-1."""
SMARTS = re.compile(r"\[[^\[\]\s]+[;!&][^\[\]]*\]|\[[$!]")
UNSURE = (
    "a name in words", "SMARTS", "a name of a database entry", "a molecular formula", "a reaction",
)  # fmt: skip
"""Names for what fits no other pattern; the text may still be in a notation that is read."""
REMEDIES = {
    "a name of a database entry": "look up its structure",
    "an InChIKey": "look up its structure", "a CAS number": "look up its structure",
    "a reaction": "give the peptide alone",
    "a protein accession": "fetch its sequence", "a comment": "delete the line",
    "a FASTA header line": "give the file the suffix .fasta",
    "a line of a mol block": "give the whole SDF file", "a missing value": "leave the row out",
    "a number": "name the column of the peptides",
}  # fmt: skip
"""What to do, where it is not to write the peptide in another notation."""
MOST = 2000
"""Characters of a text that are looked at."""


def foreign_notation(text: str) -> str:
    """Return the name of the notation of a text that could not be read, or ''."""
    stripped = text.strip()
    for pattern, name in _COMPILED:
        if pattern.fullmatch(stripped):
            return name
    if _is_sequence_with_brackets(stripped):
        return "a sequence with modified residues in brackets"
    if SMARTS.search(stripped):
        return "SMARTS"
    return "a name in words" if WORD.search(stripped) or NAME.fullmatch(stripped) else ""


def foreign_reason(text: str, readable: str) -> str:
    """Return why a text in another notation is rejected and what to do, or ''.

    Args:
        text: a text that could not be read.
        readable: notations in which it can be written.
    """
    name = foreign_notation(text[:MOST])
    if not name:
        return ""
    if name == CYCLIC:
        return (
            "a cyclic peptide is not read in this form; write it as cyclo(...), in round brackets"
        )
    return f"{name} is not read; {REMEDIES.get(name, f'write the peptide as {readable}')}"


def is_small_sequence(text: str) -> bool:
    """Return whether a text is small letters that are all residues, rather than a missing value."""
    return bool(SMALL_LETTERS.fullmatch(text)) and text != "nan"


def sequence_reason(text: str, readable: str = "HELM or as a sequence") -> str:
    """Return why a text that should be a sequence is none, without a word about SMILES.

    Args:
        text: a text that could not be read.
        readable: notations in which another notation can be written.
    """
    if is_small_sequence(text):
        return sequence_fault(text)
    return foreign_reason(text, readable) or sequence_fault(text)


_COMPILED = [(re.compile(pattern), name) for pattern, name in SHAPES]


def _is_sequence_with_brackets(text: str) -> bool:
    """Return whether letters of residues remain without the brackets, as in ``ACDE(pS)K``."""
    rest = re.sub(rf"^(?:{CAPS}-)+|(?:-{CAPS})+$|^-|-$", "", BRACKETS.sub("", text))
    return rest != text and bool(re.fullmatch("[A-Z]+", rest)) and not NEVER_SMILES.isdisjoint(rest)
