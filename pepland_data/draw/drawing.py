"""A picture of one peptide: fragments coloured, cuts marked, a legend below."""

from __future__ import annotations

import colorsys
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit.Chem.Draw import rdMolDraw2D
from rdkit.Geometry import Point2D

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.chem.cuts import cut_molecule
from pepland_data.chem.featurizer import Featurizer
from pepland_data.chem.notation.parse import parse
from pepland_data.chem.rdkit_messages import RdkitMessages
from pepland_data.draw.atom_places import lay_out
from pepland_data.draw.backbone import BOND
from pepland_data.errors import InputError
from pepland_data.graph.heterograph import HeteroGraph
from pepland_data.graph.vocabulary import Vocabulary

MAX_DRAWN_ATOMS = 1500
"""Larger molecules are not drawn, because the picture would be unreadable."""
PIXELS = 22.0
"""Pixels per Angstrom."""
MARGIN = 36
PADDING = 0.02
"""Share of the picture's width and height that is empty on each side."""
LINE = 26
"""Height of a line of the legend (pixels)."""
TEXT_SIZE = 15
CHARACTER = 0.62 * TEXT_SIZE
"""Upper bound of the mean width of the characters of a SMILES (pixels)."""
LONGEST = 72
"""Longer SMILES are shortened in the legend (characters)."""
CUT_COLOUR = (0.80, 0.05, 0.15)
TEXT_COLOUR = (0.15, 0.15, 0.15)
GOLDEN_RATIO = 0.618033988749895

Colour = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class ShownPeptide:
    """A peptide with its cuts and labels, ready to be drawn."""

    graph: HeteroGraph
    mol: Any
    """RDKit molecule with the atom order of the graph."""
    cuts: list[int]
    """Cut bonds of `mol` in ascending order."""
    labels: npt.NDArray[np.int64] | None
    """[P] vocabulary label of each fragment; None without a vocabulary."""
    unknown: int | None
    """The label of fragments that are not in the vocabulary."""

    @property
    def smiles(self) -> list[str]:
        """[P] SMILES of each fragment."""
        return [str(s) for s in self.graph.dense()["fragment_smiles"]]

    @property
    def kinds(self) -> list[str]:
        """Distinct fragment SMILES in the order of their first fragment."""
        return list(dict.fromkeys(self.smiles))


def examine(
    text: str, options: FeaturizeOptions, vocabulary: Vocabulary | None = None
) -> ShownPeptide:
    """Return the graph, the molecule and the cuts of a text.

    Raises:
        InvalidMoleculeError: the text cannot become a graph.
    """
    graph = Featurizer(options).featurize(text)
    with RdkitMessages() as log:
        form, small = options.input_format, options.lowercase
        mol = parse(text, form, options.max_atoms, log, options.monomers, small)
        cuts = sorted(cut_molecule(mol, options.cut).cuts)
    labels = None if vocabulary is None else graph.fragment_label(vocabulary)
    unknown = None if vocabulary is None else vocabulary.unknown
    return ShownPeptide(graph, mol, cuts, labels, unknown)


def colours(kinds: list[str]) -> dict[str, Colour]:
    """Return a light colour for each kind of fragment; neighbours in the list differ most."""
    shades = ((0.30, 1.0), (0.45, 0.93), (0.22, 0.90))
    return {
        kind: colorsys.hsv_to_rgb(i * GOLDEN_RATIO % 1.0, *shades[i // 8 % len(shades)])
        for i, kind in enumerate(kinds)
    }


def legend(shown: ShownPeptide) -> list[tuple[str, str, str]]:
    """Return label, count and SMILES of each kind of fragment; without a vocabulary no labels."""
    counts = Counter(shown.smiles)
    label_of: dict[str, str] = {}
    if shown.labels is not None:
        for kind, label in zip(shown.smiles, shown.labels.tolist(), strict=True):
            label_of[kind] = "unknown" if label == shown.unknown else str(label)
    return [(label_of.get(kind, ""), f"{counts[kind]} x", kind) for kind in shown.kinds]


def draw(shown: ShownPeptide, path: str | Path) -> Path:
    """Write the picture of a peptide as SVG or PNG, by the extension of `path`.

    Raises:
        InputError: the extension is another one, or the molecule is too large.
    """
    path = Path(path)
    canvas_of = {".svg": rdMolDraw2D.MolDraw2DSVG, ".png": rdMolDraw2D.MolDraw2DCairo}
    if path.suffix.lower() not in canvas_of:
        raise InputError(f"{path.name} cannot be drawn; name a file that ends in .svg or .png")
    mol, size = _laid_out(shown)
    grid = _LegendGrid.fit(legend(shown), _headline(shown), size[0])
    width, height = int(max(size[0], grid.width)), int(size[1])
    total = height + (grid.lines + 1) * LINE + MARGIN // 2
    canvas = canvas_of[path.suffix.lower()](width, total, width, height)
    palette = colours(shown.kinds)
    _draw_molecule(canvas, shown, mol, palette)
    _draw_legend(canvas, _headline(shown), grid, palette, height)
    canvas.FinishDrawing()
    drawing = canvas.GetDrawingText()
    path.write_bytes(drawing.encode() if isinstance(drawing, str) else drawing)
    return path


def molecule_svg(shown: ShownPeptide) -> str:
    """Return the picture of a peptide without its legend as SVG.

    Raises:
        InputError: the molecule is too large.
    """
    mol, size = _laid_out(shown)
    canvas = rdMolDraw2D.MolDraw2DSVG(int(size[0]), int(size[1]))
    _draw_molecule(canvas, shown, mol, colours(shown.kinds))
    canvas.FinishDrawing()
    return str(canvas.GetDrawingText())


def _laid_out(shown: ShownPeptide) -> tuple[Any, tuple[float, float]]:
    """Return the molecule with the coordinates of its atoms, and width and height (pixels)."""
    if shown.mol.GetNumAtoms() > MAX_DRAWN_ATOMS:
        raise InputError(
            f"a picture of {shown.mol.GetNumAtoms():,} atoms cannot be read; at most "
            f"{MAX_DRAWN_ATOMS:,} are drawn; --json prints the whole graph"
        )
    with RdkitMessages():  # RDKit also warns about layouts that are not taken
        mol = lay_out(shown.mol, shown.cuts)
    size = np.ptp(mol.GetConformer().GetPositions()[:, :2], axis=0) * PIXELS + 2 * MARGIN
    return mol, (float(size[0]), float(size[1]))


@dataclass(frozen=True)
class _LegendGrid:
    """Positions of the entries of a legend."""

    entries: list[tuple[str, str, str]]
    offsets: list[float]
    """Where label, number and SMILES begin, after the colour field (pixels)."""
    column_width: float
    columns: int
    width: float
    """Width that the legend and its headline need (pixels)."""

    @property
    def lines(self) -> int:
        return math.ceil(len(self.entries) / self.columns)

    @classmethod
    def fit(cls, entries: list[tuple[str, str, str]], headline: str, width: float) -> _LegendGrid:
        """Return a grid of as many columns as fit, with at least three entries each."""
        widths = [max(len(_short(e[i])) for e in entries) * CHARACTER for i in range(3)]
        spaces = [w + LINE / 2 if w else 0.0 for w in widths]
        offsets = [1.2 * LINE, 1.2 * LINE + spaces[0], 1.2 * LINE + spaces[0] + spaces[1]]
        column = offsets[2] + widths[2] + LINE
        columns = max(1, min(int(width // column), math.ceil(len(entries) / 3)))
        needed = max(columns * column, len(headline) * CHARACTER) + MARGIN
        return cls(entries, offsets, column, columns, needed)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _draw_molecule(canvas: Any, shown: ShownPeptide, mol: Any, palette: dict[str, Colour]) -> None:
    options = canvas.drawOptions()
    options.padding = PADDING
    options.fixedBondLength = BOND * PIXELS
    options.prepareMolsBeforeDrawing = False
    options.highlightRadius = 0.36
    options.highlightBondWidthMultiplier = 16
    ready = rdMolDraw2D.PrepareMolForDrawing(mol, kekulize=True, addChiralHs=False)
    for atom in ready.GetAtoms():
        if atom.GetAtomicNum() == 0:
            atom.SetProp("atomLabel", f"({atom.GetIsotope()})")
    smiles, fragments = shown.smiles, shown.graph.columns.atom_fragment.tolist()
    atoms = {atom: palette[smiles[fragment]] for atom, fragment in enumerate(fragments)}
    bonds = {}
    for bond in shown.mol.GetBonds():
        if bond.GetIdx() not in shown.cuts:
            begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            bonds[ready.GetBondBetweenAtoms(begin, end).GetIdx()] = atoms[begin]
    canvas.DrawMolecule(
        ready,
        highlightAtoms=list(atoms),
        highlightAtomColors=atoms,
        highlightBonds=list(bonds),
        highlightBondColors=bonds,
    )
    _mark_cuts(canvas, shown, ready)


def _mark_cuts(canvas: Any, shown: ShownPeptide, drawn: Any) -> None:
    """Draw a short line across each cut bond, and across both ends of a bond at a row end."""
    canvas.SetColour(CUT_COLOUR)
    canvas.SetLineWidth(2)
    count = shown.mol.GetNumAtoms()
    for bond in shown.cuts:
        cut = shown.mol.GetBondWithIdx(bond)
        i, j = cut.GetBeginAtomIdx(), cut.GetEndAtomIdx()
        if drawn.GetBondBetweenAtoms(i, j) is not None:
            _draw_across(canvas, i, j)
    for atom in list(drawn.GetAtoms())[count:]:
        _draw_across(canvas, atom.GetNeighbors()[0].GetIdx(), atom.GetIdx())


def _draw_across(canvas: Any, i: int, j: int) -> None:
    """Draw a short line across the middle of a bond."""
    a, b, half = canvas.GetDrawCoords(i), canvas.GetDrawCoords(j), 0.36 * BOND * PIXELS
    length = max(math.hypot(b.x - a.x, b.y - a.y), 1e-6)
    x, y = (a.x + b.x) / 2, (a.y + b.y) / 2
    dx, dy = -(b.y - a.y) / length * half, (b.x - a.x) / length * half
    canvas.DrawLine(Point2D(x - dx, y - dy), Point2D(x + dx, y + dy), rawCoords=True)


def _draw_legend(
    canvas: Any, headline: str, grid: _LegendGrid, palette: dict[str, Colour], top: int
) -> None:
    canvas.drawOptions().minFontSize = TEXT_SIZE
    canvas.SetFontSize(TEXT_SIZE)
    _write(canvas, headline, MARGIN // 2, top + LINE // 2)
    for number, entry in enumerate(grid.entries):
        x = MARGIN // 2 + number // grid.lines * grid.column_width
        y = top + (number % grid.lines + 1.5) * LINE
        _draw_colour_field(canvas, palette[entry[2]], x, y)
        for text, offset in zip(entry, grid.offsets, strict=True):
            _write(canvas, _short(text), x + offset, y)


def _headline(shown: ShownPeptide) -> str:
    graph, cuts = shown.graph, len(shown.cuts)
    counts = ((graph.num_atoms, "atom"), (graph.num_fragments, "fragment"), (cuts, "cut"))
    about = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in counts)
    return f"{about}; " + (
        "label, number, SMILES" if shown.labels is not None else "number, SMILES"
    )


def _draw_colour_field(canvas: Any, colour: Colour, x: float, y: float) -> None:
    half = 0.32 * LINE
    canvas.SetFillPolys(True)
    canvas.SetColour(colour)
    corners = [(x, y - half), (x + 2 * half, y - half), (x + 2 * half, y + half), (x, y + half)]
    canvas.DrawPolygon([Point2D(*corner) for corner in corners], rawCoords=True)


def _write(canvas: Any, text: str, x: float, y: float) -> None:
    canvas.SetColour(TEXT_COLOUR)
    canvas.DrawString(text, Point2D(x, y), 1, rawCoords=True)
