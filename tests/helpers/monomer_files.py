"""Two small monomers as a library file of each kind."""

from __future__ import annotations

import json
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import AllChem

STRUCTURES = {
    "Zaa": "FC(C)(C)[C@H](N[*])C([*])=O |$;;;;;;_R1;;_R2;$|",
    "Zbb": "[*][C@](F)(C)[C@@H](N[*])C([*])=O |$_R3;;;;;;_R1;;_R2;$|",
}
"""Symbol -> CXSMILES; Zbb has its R3 on a stereocentre."""
CAPS = {"Zaa": {1: "H", 2: "OH"}, "Zbb": {1: "H", 2: "OH", 3: "H"}}
KINDS = ("xml", "json", "csv", "sdf")
MOLECULES = {
    "PEPTIDE1{G.[Zaa].G}$$$$": "FC(C)(C)[C@H](NC(=O)CN)C(NCC(=O)O)=O",
    "PEPTIDE1{[Zbb]}$$$$": "[H][C@](F)(C)[C@@H](N)C(O)=O",
    "PEPTIDE1{G.[Zbb]}|PEPTIDE2{C}$PEPTIDE1,PEPTIDE2,2:R3-1:R3$$$":
        "N[C@@H](CS[C@](F)(C)[C@@H](NC(=O)CN)C(O)=O)C(=O)O",
}  # fmt: skip
"""HELM -> the SMILES that its structures give when written into each other by hand."""


def write_library(path: Path, kind: str | None = None) -> Path:
    """Write the two monomers as a file of a kind, by default that of its suffix."""
    text = {"xml": _xml, "json": _json, "csv": _csv, "sdf": _sdf}[kind or path.suffix[1:]]()
    path.write_text(text, encoding="utf-8")
    return path


def _xml() -> str:
    monomers = "".join(
        f"<Monomer><MonomerID>{symbol}</MonomerID><MonomerSmiles>{smiles}</MonomerSmiles>"
        "<PolymerType>PEPTIDE</PolymerType><MonomerName>a name</MonomerName><Attachments>"
        + "".join(
            f"<Attachment><AttachmentID>R{n}-{cap}</AttachmentID><AttachmentLabel>R{n}"
            f"</AttachmentLabel><CapGroupName>{cap}</CapGroupName></Attachment>"
            for n, cap in CAPS[symbol].items()
        )
        + "</Attachments></Monomer>"
        for symbol, smiles in STRUCTURES.items()
    )
    return f'<MonomerDB xmlns="lmr"><PolymerList>{monomers}</PolymerList></MonomerDB>'


def _json() -> str:
    return json.dumps([
        {"symbol": symbol, "polymerType": "PEPTIDE", "smiles": Chem.MolToSmiles(_numbered(symbol)),
         "rgroups": [{"label": f"R{n}", "alternateId": f"R{n}-{cap}"} for n, cap in caps.items()]}
        for symbol, caps in CAPS.items()
    ])  # fmt: skip


def _csv() -> str:
    rows = [
        f'{symbol},"{smiles}",{",".join(CAPS[symbol].get(n, "-") for n in (1, 2, 3))}'
        for symbol, smiles in STRUCTURES.items()
    ]
    return "\n".join(["Symbol,CXSMILES,R1,R2,R3", *rows]) + "\n"


def _sdf() -> str:
    return "".join(_sdf_record(symbol) for symbol in STRUCTURES)


def _sdf_record(symbol: str) -> str:
    mol, places = _numbered(symbol), {}
    for atom in mol.GetAtoms():
        if atom.GetAtomMapNum():
            places[atom.GetAtomMapNum()] = atom.GetIdx()
            atom.SetAtomMapNum(0)
    AllChem.Compute2DCoords(mol)
    caps = ",".join(CAPS[symbol].get(n, "None") for n in (1, 2, 3))
    where = ",".join(str(places.get(n)) for n in (1, 2, 3))
    fields = {"symbol": symbol, "m_type": "aa", "m_Rgroups": caps, "m_RgroupIdx": where}
    text = "".join(f">  <{name}>\n{value}\n\n" for name, value in fields.items())
    return f"{Chem.MolToMolBlock(mol)}{text}$$$$\n"


def _numbered(symbol: str) -> Chem.Mol:
    """Return a structure with ``[*:n]`` in place of its labels."""
    mol = Chem.MolFromSmiles(STRUCTURES[symbol])
    for atom in mol.GetAtoms():
        if atom.HasProp("atomLabel"):
            atom.SetAtomMapNum(int(atom.GetProp("atomLabel")[2:]))
            atom.ClearProp("atomLabel")
    return mol
