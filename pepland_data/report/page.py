"""The page of a report: one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.draw.figures import style
from pepland_data.draw.page import check_packages, render
from pepland_data.errors import PeplandError
from pepland_data.files.atomic import write_atomic_bytes


def write_page(numbers: Mapping[str, Any], path: str | Path, options: FeaturizeOptions) -> None:
    """Write the numbers of a report as one HTML file.

    Args:
        numbers: see `numbers.corpus_numbers`.
        path: file to write; its folder is made.
        options: options of the build of the first store, which read the texts that are drawn.

    Raises:
        MissingDependencyError: matplotlib or Jinja2 is not installed.
    """
    check_packages()
    stores = _named(numbers["stores"])
    page = render(
        "pepland_data.report/page.html.j2", numbers=numbers, stores=stores,
        store=numbers["stores"][0], **_pictures(numbers, stores),
        gallery=_gallery(numbers["stores"][0]["gallery"], options),
    )  # fmt: skip
    write_atomic_bytes(Path(path), page)


def _named(stores: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the stores by the names of their folders; a number tells equal ones apart."""
    named: dict[str, Mapping[str, Any]] = {}
    for store in stores:
        name = Path(store["path"]).name or store["path"]
        named[f"{name} (2)" if name in named else name] = store
    return named


def _pictures(
    numbers: Mapping[str, Any], stores: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    from pepland_data.report import charts
    from pepland_data.report.molecules import fragment_svg

    store, drift = numbers["stores"][0], numbers["drift"]
    with style():
        return {
            "sizes": charts.size_pictures(stores),
            "counts_residues": all(map(charts.has_residues, stores.values())),
            "residues": charts.residue_picture(stores),
            "coverage": charts.coverage_picture(store),
            "leakage": [charts.leakage_picture(split) for split in store["splits"]],
            "labels": charts.label_pictures(store["labels"]),
            "differences": charts.difference_pictures(drift, list(stores)) if drift else [],
            "drawn": fragment_svg,
        }


def _gallery(
    peptides: Sequence[Mapping[str, Any]], options: FeaturizeOptions
) -> list[dict[str, Any]]:
    """Return the peptides that can be drawn, each with its picture."""
    from pepland_data.report.molecules import peptide_svg

    drawn = []
    for peptide in peptides:
        try:
            drawn.append({**peptide, "svg": peptide_svg(peptide["text"], options)})
        except PeplandError:  # read by an earlier release
            continue
    return drawn
