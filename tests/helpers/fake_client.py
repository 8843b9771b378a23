"""Packages that send metrics somewhere, replaced by one that records the calls."""

from __future__ import annotations

import importlib.machinery
from types import ModuleType


class FakeClient(ModuleType):
    """Records the calls of a package, or fails in one of them.

    Args:
        name: of the package.
        fails: call that raises ConnectionError, '' for none.
    """

    def __init__(self, name: str, fails: str = "") -> None:
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.calls: list[tuple] = []
        self.fails = fails

    def _do(self, name: str, *what) -> None:
        if name == self.fails:
            raise ConnectionError(f"{name}: no server")
        self.calls.append((name, *what))
