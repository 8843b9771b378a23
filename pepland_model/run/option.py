"""A configuration key that is also a flag of the command line."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def option(default: Any, help_text: str, choices: tuple[str, ...] = ()) -> Any:
    """Return a dataclass field that the command line can turn into a flag."""
    return field(default=default, metadata={"help": help_text, "choices": choices})
