"""Import DGL without ``dgl.graphbolt``, which fails to load with current torch versions.

DGL 2.1.0 imports ``dgl.graphbolt`` (sampling from one large graph), which needs a library that is
built for each torch version. An empty module takes its name, and the rest of DGL works.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from pepland_data.errors import MissingDependencyError


class _EmptyModule(types.ModuleType):
    __path__: list[str] = []  # noqa: RUF012  (a package has a path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def import_dgl() -> Any:
    """Return the ``dgl`` module.

    Raises:
        MissingDependencyError: DGL is not installed, or not built for this Python or torch.
    """
    if "dgl" not in sys.modules:
        sys.modules.setdefault("dgl.graphbolt", _EmptyModule("dgl.graphbolt"))
    try:
        return importlib.import_module("dgl")
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"DGL cannot be imported ({error}); install it with `pip install 'pepland-data[dgl]'` "
            "on Python 3.11 or 3.12"
        ) from error
