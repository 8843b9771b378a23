"""The page of a report: one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pepland_data.chem.conversion import FeaturizeOptions
from pepland_data.draw.figures import number_text, style
from pepland_data.errors import MissingDependencyError, PeplandError
from pepland_data.files.atomic import write_atomic_bytes

TEXT = 240
"""Characters of a text; the rest is left out."""


def check_packages() -> None:
    """Raise MissingDependencyError if matplotlib or Jinja2 is not installed."""
    if missing := [name for name in ("matplotlib", "jinja2") if not find_spec(name)]:
        raise MissingDependencyError(
            f"pages need {' and '.join(missing)}; install 'pepland-data[report]'"
        )


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
    page = _template().render(
        numbers=numbers, stores=stores, store=numbers["stores"][0], **_pictures(numbers, stores),
        gallery=_gallery(numbers["stores"][0]["gallery"], options),
    )  # fmt: skip
    write_atomic_bytes(Path(path), page.encode("utf-8", "replace"))


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


def percent(share: float | None) -> str:
    """Return a share as text, "-" for None. A share that is neither 0 nor 1 is never shown so."""
    if share is None:
        return "-"
    if 0 < share < 0.0005:
        return "<\u00a00.1\u00a0%"
    return ">\u00a099.9\u00a0%" if 0.9995 < share < 1 else f"{100 * share:.3g}\u00a0%"


def shortened(text: str) -> str:
    """Return a text that fits into a page."""
    return text if len(text) <= TEXT else f"{text[:TEXT]}…"


def _number(value: float | None) -> str:
    return "-" if value is None else number_text(value)


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "percent": percent, "shortened": shortened}
    text = files("pepland_data.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)
