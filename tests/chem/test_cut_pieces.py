"""A piece that is copied alone is bit-identical to the piece that is cut out with all others."""

import pytest
from rdkit import Chem

from pepland_data.chem.cuts import cut_into_pieces, cut_molecule
from pepland_data.chem.fast.cut_pieces import CutPieces
from tests.helpers.odd_molecules import odd_molecules


def bytes_of(make):
    """Return a piece as bytes and its atoms, or the type of the error."""
    try:
        piece, atoms = make()
    except (Chem.MolSanitizeException, RuntimeError, ValueError) as error:
        return type(error)
    return piece.ToBinary(), atoms


@pytest.mark.parametrize("seed", range(8))
def test_pieces_copied_alone_equal_pieces_cut_out_together(seed):
    compared = 0
    for text in odd_molecules(60, seed):
        mol = Chem.MolFromSmiles(text)
        try:
            cuts = cut_molecule(mol, "adafrag").cuts
            together = cut_into_pieces(mol, cuts)
        except (Chem.MolSanitizeException, ValueError):
            continue
        alone = CutPieces(mol, cuts)
        assert len(alone.atoms) == len(together)
        for number, expected in enumerate(together):
            compared += 1
            assert bytes_of(lambda n=number, p=alone: p[n]) == bytes_of(lambda e=expected: e), text
    assert compared > 300


def test_without_cuts_the_molecule_is_the_only_piece():
    mol = Chem.MolFromSmiles("CCO.CC")
    assert CutPieces(mol, [])[0] == (mol, (0, 1, 2, 3, 4))


@pytest.mark.skipif(not hasattr(Chem, "CopyMolSubset"), reason="RDKit before 2025.09")
def test_old_versions_of_rdkit_cut_out_all_pieces_together(monkeypatch):
    mol = Chem.MolFromSequence("AKWP")
    cuts = cut_molecule(mol, "adafrag").cuts

    def all_pieces():
        cut = CutPieces(mol, cuts)
        return [bytes_of(lambda n=number: cut[n]) for number in range(len(cut.atoms))]

    alone = all_pieces()
    monkeypatch.delattr(Chem, "CopyMolSubset")
    assert all_pieces() == alone
