"""How many files per folder, import cycles and lines has the code, now and at another commit?

Imports inside functions count; imports for type checkers do not. A cycle is a group of modules in
which each module imports every other one, directly or indirectly.
"""

from __future__ import annotations

import ast
import io
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FOLDERS = ("pepland_data", "pepland_model", "cli", "benchmarks", "tests")


def python_files(root: Path) -> list[Path]:
    """Return the Python files of the project, relative to its root."""
    found = (path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    return sorted(path.relative_to(root) for path in found)


def module_of(path: Path) -> str:
    """Return the dotted name that imports use for a file."""
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return f"pepland_cli{name.removeprefix('cli')}" if path.parts[0] == "cli" else name


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a file imports, without those for type checkers."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.dump(tree.test):
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    if isinstance(tree, ast.ImportFrom) and tree.module:
        yield from (f"{tree.module}.{alias.name}" for alias in tree.names)
        yield tree.module
    for child in ast.iter_child_nodes(tree):
        yield from imports_of(child)


def cycles(root: Path) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or indirectly."""
    sources = {module_of(path): (root / path).read_text() for path in python_files(root)}
    names = sorted(sources)
    place = {name: i for i, name in enumerate(names)}
    edges = [
        (place[name], place[target])
        for name in names
        for target in imports_of(ast.parse(sources[name]))
        if target in place and target != name
    ]
    begin, end = np.array(edges).T
    graph = coo_array((np.ones(len(edges)), (begin, end)), (len(names), len(names)))
    _, group = connected_components(graph, connection="strong")
    sizes = Counter(group.tolist())
    return [
        [name for name in names if group[place[name]] == number]
        for number, size in sizes.items()
        if size > 1
    ]


def describe(root: Path) -> str:
    """Return the counts of a tree as text."""
    files = python_files(root)
    folders = Counter(str(path.parent) for path in files if path.name != "__init__.py")
    lines = {f: sum(len((root / p).read_text().splitlines()) for p in files if p.parts[0] == f)
             for f in FOLDERS}  # fmt: skip
    found = cycles(root)
    by_folder = ", ".join(f"{folder} {count:,}" for folder, count in lines.items())
    return "\n".join([
        *(f"  {count:>3} files in {folder}" for folder, count in sorted(folders.items())),
        f"  most files in one folder: {max(folders.values())}",
        f"  import cycles: {len(found)}", *(f"    {' '.join(modules)}" for modules in found),
        f"  lines: {sum(lines.values()):,} ({by_folder})",
    ])  # fmt: skip


@click.command()
@click.option("--base", help="Commit to compare with.")
def main(base: str | None) -> None:
    """Print the counts of this checkout and, if given, of another commit."""
    if base:
        archive = subprocess.run(["git", "archive", base], capture_output=True, check=True).stdout
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
                tree.extractall(folder, filter="data")
            click.echo(f"{base}\n{describe(Path(folder))}")
    click.echo(f"now\n{describe(Path(__file__).resolve().parents[2])}")


if __name__ == "__main__":
    main()
