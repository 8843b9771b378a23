"""The versions that a bug report needs, and the option ``--version`` of all commands.

Neither torch nor RDKit is imported for them, so they are shown also if one of the two is broken.
"""

from __future__ import annotations

import platform
import runpy
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import click

from pepland_cli.output import say

F = TypeVar("F", bound=Callable[..., Any])


def version_of(package: str, module: str | None = None) -> str | None:
    """Return the version of a package, ``unknown`` if it has none, None if it is not installed.

    Args:
        package: name for pip.
        module: name for ``import``, if it is another one.
    """
    if find_spec(module or package) is None:
        return None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # conda does not record all
        return "unknown"


def cuda_version() -> str | None:
    """Return the CUDA version that torch was built with, None for a build without it."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "version.py"
    return runpy.run_path(str(path)).get("cuda") if path.is_file() else None


def versions() -> dict[str, str | None]:
    """Return the versions that decide how a store is made and used, by name."""
    from pepland_data import __version__

    store, featurizer = data_versions()
    return {
        "pepland-data": __version__,
        "Python": platform.python_version(),
        "torch": version_of("torch"),
        "CUDA": cuda_version(),
        "RDKit": version_of("rdkit"),
        "store format": store,
        "featurizer": featurizer,
    }


def data_versions() -> tuple[str | None, str | None]:
    """Return the versions of store format and featurizer, None where numpy does not work."""
    try:
        from pepland_data.chem.conversion import FEATURIZER_VERSION
        from pepland_data.store.manifest import FORMAT_VERSION
    except ImportError:
        return None, None
    return str(FORMAT_VERSION), str(FEATURIZER_VERSION)


def version_line() -> str:
    """Return the versions on one line."""
    return ", ".join(f"{name} {version or 'none'}" for name, version in versions().items())


def version_option(command: F) -> F:
    """Add the option ``--version``, which prints `version_line`."""

    def show(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            say(version_line())
            context.exit()

    return click.option(
        "--version", is_flag=True, is_eager=True, expose_value=False, callback=show,
        help="Print the versions that a bug report needs.",
    )(command)  # fmt: skip
