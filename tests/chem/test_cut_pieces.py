"""A piece cut out alone is the piece cut out with all others, to RDKit's last byte."""

import pytest
from rdkit import Chem

from pepland_data.chem.cuts import cut_molecule, pieces
from pepland_data.chem.fast.cut_pieces import CutPieces
from tests.helpers.odd_molecules import odd_molecules


def outcome(make):
    try:
        piece, atoms = make()
    except (Chem.MolSanitizeException, RuntimeError, ValueError) as error:
        return type(error)
    return piece.ToBinary(), atoms


@pytest.mark.parametrize("seed", range(8))
def test_pieces_cut_out_alone_are_those_cut_out_together(seed):
    compared = 0
    for text in odd_molecules(60, seed):
        mol = Chem.MolFromSmiles(text)
        try:
            cuts = cut_molecule(mol, "adafrag").cuts
            together = pieces(mol, cuts)
        except (Chem.MolSanitizeException, ValueError):
            continue
        alone = CutPieces(mol, cuts)
        assert len(alone.atoms) == len(together)
        for number, expected in enumerate(together):
            compared += 1
            assert outcome(lambda n=number, p=alone: p[n]) == outcome(lambda e=expected: e), text
    assert compared > 300


def test_without_cuts_the_molecule_is_the_one_piece():
    mol = Chem.MolFromSmiles("CCO.CC")
    (piece, atoms) = CutPieces(mol, [])[0]
    assert piece is mol
    assert atoms == (0, 1, 2, 3, 4)


@pytest.mark.skipif(not hasattr(Chem, "CopyMolSubset"), reason="RDKit before 2025.09")
def test_old_versions_of_rdkit_take_the_molecule_apart_as_a_whole(monkeypatch):
    mol = Chem.MolFromSequence("AKWP")
    cuts = cut_molecule(mol, "adafrag").cuts
    alone = CutPieces(mol, cuts)
    alone = [alone[n] for n in range(len(alone.atoms))]
    monkeypatch.delattr(Chem, "CopyMolSubset")
    whole = CutPieces(mol, cuts)
    whole = [whole[n] for n in range(len(whole.atoms))]
    assert [(p.ToBinary(), a) for p, a in alone] == [(p.ToBinary(), a) for p, a in whole]
