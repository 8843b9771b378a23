"""Pictures of peptides: nothing overlaps or is missing, and colours and cuts are right."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from rdkit import Chem

from pepland_data import FeaturizeOptions, InputError, Vocabulary, featurize
from pepland_data.chem.cuts import cut_molecule
from pepland_data.draw.atom_places import crowding, lay_out
from pepland_data.draw.backbone import BOND
from pepland_data.draw.drawing import colours, draw, examine, legend
from tests.helpers.commands import cli

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
OXYTOCIN = (
    "CC[C@H](C)[C@H]1C(=O)N[C@H](C(=O)N[C@H](C(=O)N[C@@H](CSSC[C@@H](C(=O)N[C@H](C(=O)N1)"
    "Cc2ccc(cc2)O)N)C(=O)N3CCC[C@H]3C(=O)N[C@@H](CC(C)C)C(=O)NCC(=O)N)CC(=O)N)CCC(=O)N"
)
CYCLIC = (
    "CC(C)C[C@@H]1NC(=O)[C@H](Cc2ccccc2)NC(=O)[C@H](CCCNC(=N)N)NC(=O)CNC(=O)[C@H](CO)NC(=O)"
    "[C@@H]2CCCN2C(=O)[C@H](CC(N)=O)NC1=O"
)


def drawn(text):
    mol = Chem.MolFromSequence(text) if set(text) <= set(LETTERS) else Chem.MolFromSmiles(text)
    return mol, lay_out(mol, cut_molecule(mol, "adafrag").cuts)


def crowded(laid_out):
    xy = laid_out.GetConformer().GetPositions()[:, :2]
    ends = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in laid_out.GetBonds()]
    return crowding(xy, np.array(ends, int).reshape(-1, 2))


@pytest.mark.parametrize("first", LETTERS)
def test_no_two_neighbouring_residues_overlap(first):
    assert [crowded(drawn(f"G{first}{second}G")[1]) for second in LETTERS] == [0] * 20


@pytest.mark.parametrize(
    "text", [LETTERS + LETTERS[:10], "PPGPPGWWRRKK", OXYTOCIN, CYCLIC, f"{OXYTOCIN}.Cl.O", "CCO"]
)
def test_nothing_overlaps(text):
    assert crowded(drawn(text)[1]) == 0


def test_thirty_residues_fit_on_a_page_at_readable_size():
    xy = drawn(LETTERS + LETTERS[:10])[1].GetConformer().GetPositions()[:, :2]
    width, height = np.ptp(xy, axis=0) / BOND
    assert width < 40
    assert height < 40


@pytest.mark.parametrize("text", [LETTERS * 3, "T" * 15 + "I" * 15 + "P" * 20])
def test_joined_rows_are_the_molecule(text):
    mol, rows = drawn(text)
    assert len(Chem.GetMolFrags(rows)) > 1
    params = Chem.MolzipParams()
    params.label = Chem.MolzipLabel.Isotope
    assert Chem.MolToSmiles(Chem.molzip(rows, params)) == Chem.MolToSmiles(mol)


def test_a_macrocycle_is_not_broken_into_rows():
    ring = "N1[C@@H](C)C(=O)" + "N[C@@H](C)C(=O)" * 28 + "N[C@@H](C)C1=O"
    mol, laid_out = drawn(ring)
    assert laid_out.GetNumAtoms() == mol.GetNumAtoms()
    assert crowded(laid_out) == 0


def test_the_legend_has_count_label_and_smiles_of_every_fragment():
    shown = examine("AKG", FeaturizeOptions(input_format="auto"), Vocabulary(("NC=O", "CCCCCN")))
    graph = featurize(Chem.MolToSmiles(shown.mol))
    entries = {smiles: (label, number) for label, number, smiles in legend(shown)}
    assert entries["NC=O"] == ("0", "2 x")
    assert entries["CCCCCN"] == ("1", "1 x")
    assert {label for label, _ in entries.values()} == {"0", "1", "unknown"}
    assert sorted(entries) == sorted(set(graph.dense()["fragment_smiles"].tolist()))


def test_every_kind_of_fragment_has_another_colour():
    assert len(set(colours([str(i) for i in range(40)]).values())) == 40


def test_cuts_are_marked_and_fragments_coloured(tmp_path):
    shown = examine("ACDK", FeaturizeOptions(input_format="auto"))
    svg = draw(shown, tmp_path / "p.svg").read_text()
    red = re.findall(r"stroke:#CC0C26", svg)
    assert len(red) == len(shown.cuts)
    for colour in colours(shown.kinds).values():
        code = "#" + "".join(f"{int(255 * part):02X}" for part in colour)
        assert code in svg


def test_a_png_is_not_empty(tmp_path):
    image = Image.open(draw(examine(OXYTOCIN, FeaturizeOptions()), tmp_path / "p.png"))
    assert len(set(image.convert("RGB").getdata())) > 50


def test_other_file_types_and_large_molecules_are_refused(tmp_path, monkeypatch):
    shown = examine("CCO", FeaturizeOptions())
    with pytest.raises(InputError, match=r"ends in \.svg or \.png"):
        draw(shown, tmp_path / "p.jpg")
    monkeypatch.setattr("pepland_data.draw.drawing.MAX_DRAWN_ATOMS", 2)
    with pytest.raises(InputError, match="a picture of 3 atoms cannot be read"):
        draw(shown, tmp_path / "p.png")


def test_json_contains_the_whole_graph():
    done = cli("show", OXYTOCIN, "--json")
    assert done.returncode == 0, done.stderr
    found, dense = json.loads(done.stdout), featurize(OXYTOCIN).dense()
    for name, values in dense.items():
        assert np.array_equal(np.array(found["arrays"][name], values.dtype), values), name
    assert len(found["cuts"]) == found["num_cuts"] == dense["reaction_index"].shape[1] // 2
    assert [f["smiles"] for f in found["fragments"]] == dense["fragment_smiles"].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["C*C"], b"'*' atom"),
        (["CCO", "--vocab", "nowhere.txt"], b"cannot read vocabulary"),
        (["CCO", "-o", "nowhere/p.png"], b"No such file"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message):
    done = cli("show", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "CNC(=O)/C=C\\C(=O)NC",
        "CNC(=O)/C=C/C(=O)NC",
        "CC(=O)N[C@@H](C)/C=C\\C(=O)NCC(=O)NC",
        "C1CCC/C=C/CC(=O)NCCCCCC1",
        "C1CCC/C=C\\CC(=O)NCCCCCC1",
        "CC(=O)N[C@]1(C)CCCCCC/C=C/CCC[C@](C)(C(N)=O)NC(=O)[C@H](CC(C)C)NC1=O",
        "N/C(=C\\C)C(=O)N[C@@H](C)C(=O)N/C(=C/c1ccccc1)C(=O)O",
    ],
)
def test_double_bonds_are_drawn_as_the_right_isomer(text):
    mol, laid_out = drawn(text)
    double = [bond.GetIdx() for bond in mol.GetBonds() if len(bond.GetStereoAtoms())]
    assert double
    bare = Chem.Mol(laid_out)
    for bond in double:
        bare.GetBondWithIdx(bond).SetStereo(Chem.BondStereo.STEREONONE)
    Chem.DetectBondStereochemistry(bare)
    Chem.AssignStereochemistry(bare, cleanIt=False, force=True)
    assert [bare.GetBondWithIdx(b).GetStereo() for b in double] == [
        mol.GetBondWithIdx(b).GetStereo() for b in double
    ]


def test_rdkit_warnings_about_other_layouts_are_not_printed(tmp_path, capfd):
    draw(examine("CNC(=O)/C=C\\C(=O)NC", FeaturizeOptions()), tmp_path / "p.svg")
    assert capfd.readouterr() == ("", "")
