"""Execute the notebooks beside this file, and save them without what differs from run to run.

Each runs in a temporary folder, so nothing but the notebook is written here.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in HERE.glob("*.ipynb")))


def executed(name: str, folder: str | Path, sizes: Mapping[str, int] | None = None) -> Any:
    """Return an executed notebook.

    Args:
        name: of the notebook, without its ending.
        folder: where it runs and writes its files.
        sizes: variable -> value, in place of the value in the first cell of code.

    Raises:
        CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    for variable, value in (sizes or {}).items():
        first.source, found = re.subn(
            rf"^{variable} = \d+", f"{variable} = {value}", first.source, flags=re.MULTILINE
        )
        assert found == 1, variable
    where = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, resources=where, coalesce_streams=True).execute()


def clean(notebook: Any) -> None:
    """Remove from an executed notebook times, versions, texts beside HTML, and blanks."""
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.clear()
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = re.sub(r" +$", "", output.text, flags=re.MULTILINE)
            if "text/html" in output.get("data", {}):
                output.data.pop("text/plain", None)


def main() -> None:
    """Execute and save all notebooks."""
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(name, folder)
        clean(notebook)
        nbformat.write(notebook, HERE / f"{name}.ipynb")


if __name__ == "__main__":
    main()
