"""Import DGL without its sampler for one big graph, which does not load beside today's torch.

DGL 2.1.0 imports ``dgl.graphbolt``, which wants a library built per torch version. A stand-in
under that name lets everything else work.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from pepland_data.errors import MissingDependencyError


class _Standin(types.ModuleType):
    __path__: list[str] = []  # noqa: RUF012  (a package has a path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def import_dgl() -> Any:
    """Return the ``dgl`` module.

    Raises:
        MissingDependencyError: DGL is not installed, or its build does not fit.
    """
    if "dgl" not in sys.modules:
        sys.modules.setdefault("dgl.graphbolt", _Standin("dgl.graphbolt"))
    try:
        return importlib.import_module("dgl")
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"DGL cannot be imported ({error}); install it with `pip install 'pepland-data[dgl]'` "
            "on Python 3.11 or 3.12"
        ) from error
