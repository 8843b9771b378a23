"""Peptides and fragments as SVG elements for a page."""

from __future__ import annotations

import html
import re
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem.Draw import rdMolDraw2D

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.draw.drawing import examine, molecule_svg

FRAGMENT_SIZE = 130, 90
"""Width and height of a fragment (pixels)."""
BOND_LENGTH, LETTER = 24, 10
"""Longest bond and least height of a letter of a fragment (pixels)."""
LEAST_SCALE = 0.5
"""A page that is too narrow for a peptide of this share of its size has to be scrolled."""


def peptide_svg(text: str, options: FeaturizeOptions) -> str:
    """Return a peptide with its fragments coloured, on white.

    Raises:
        InvalidMoleculeError: the text cannot become a graph.
    """
    return element(molecule_svg(examine(text, options)), text, LEAST_SCALE)


def fragment_svg(smiles: str) -> str:
    """Return a fragment in the colour of the text around it, '' if RDKit cannot draw it."""
    with rdBase.BlockLogs():
        mol: Any = Chem.MolFromSmiles(smiles) or Chem.MolFromSmiles(smiles, sanitize=False)
    if mol is None:
        return ""
    canvas = rdMolDraw2D.MolDraw2DSVG(*FRAGMENT_SIZE)
    options: Any = canvas.drawOptions()
    options.useBWAtomPalette()
    options.clearBackground = False
    options.fixedBondLength = BOND_LENGTH
    options.minFontSize = LETTER
    try:
        with rdBase.BlockLogs():
            mol.UpdatePropertyCache(strict=False)
            ready = rdMolDraw2D.PrepareMolForDrawing(mol, kekulize=False)
            canvas.DrawMolecule(ready)
    except (ValueError, RuntimeError):
        return ""
    canvas.FinishDrawing()
    return element(canvas.GetDrawingText(), smiles).replace("#000000", "currentColor")


def element(svg: str, title: str, least_scale: float = 0.0) -> str:
    """Return RDKit's SVG as an element of at most its own size, without what it repeats.

    Args:
        svg: a document of RDKit.
        title: what readers of the page's text are told about the picture.
        least_scale: share of its width that it keeps in a narrow place.
    """
    svg = re.sub(r"\sclass='[^']*'|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), svg)
    svg = re.sub(r"[a-z-]*(?:opacity:1|linecap:butt|linejoin:miter|dasharray:none);", "", svg)
    width, height = (int(n) for n in re.findall(r"(?:width|height)='(\d+)px'", svg)[:2])
    inside = svg[svg.index(">") + 1 :].strip()
    least = f"min-width:{least_scale * width:.0f}px;max-width:{width}px"
    root = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
    return f'{root} style="{least}"><title>{html.escape(title)}</title>{inside}'
