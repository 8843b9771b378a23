"""Public names of a package as requests to mkdocstrings, written when the site is built.

A page asks for a package with the line ``<!-- names of PACKAGE -->``. A name without a docstring is
a warning, which ends a strict build.
"""

from __future__ import annotations

import importlib
import logging
import re
from typing import Any

log = logging.getLogger("mkdocs.hooks.names")
MARK = re.compile(r"<!-- names of (\S+) -->")


def on_page_markdown(markdown: str, **page: Any) -> str:
    """Replace the mark of a page by one request for each public name."""
    return MARK.sub(lambda found: requests(found[1]), markdown)


def requests(package: str) -> str:
    """Return one request for each public name of a package: functions, classes, errors."""
    module = importlib.import_module(package)
    values = {name: getattr(module, name) for name in module.__all__ if name != "__version__"}
    for name, value in values.items():
        if not is_documented(value):
            log.warning("%s.%s has no docstring", package, name)
    return "\n".join(
        f"::: {package}.{name}\n" for name in sorted(values, key=lambda n: kind(values[n]))
    )


def kind(value: Any) -> int:
    """Return the place of a name on its page: 0 for functions, 1 for classes, 2 for errors."""
    return 0 if not isinstance(value, type) else 1 + issubclass(value, Exception)


def is_documented(value: Any) -> bool:
    """Return whether a function or class has a docstring of its own, not that of `dataclass`."""
    told = (vars(value).get("__doc__") if isinstance(value, type) else value.__doc__) or ""
    return told != "" and not told.startswith(f"{value.__name__}(")
