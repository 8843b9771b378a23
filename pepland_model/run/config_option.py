"""One configuration key: its default, help text and allowed values.

Each key is a dataclass field. The same field is a key of the TOML file and an option of
``pepland-train``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field, fields
from typing import Any, NamedTuple

from pepland_data.errors import InputError


class Limit(NamedTuple):
    """The allowed numbers of a key."""

    text: str
    """End of the message "KEY is VALUE; it must ..."."""
    holds: Callable[[Any], bool]


POSITIVE = Limit("be above 0", lambda value: value > 0)
NOT_NEGATIVE = Limit("be 0 or more", lambda value: value >= 0)
SHARE = Limit("lie between 0 and 1", lambda value: 0 <= value <= 1)
SHARE_BELOW_1 = Limit("be at least 0 and below 1", lambda value: 0 <= value < 1)
INT64 = Limit("fit into 64 bits", lambda value: -(2**63) <= value < 2**63)


def option(default: Any, help_text: str, allowed: Limit | tuple[str, ...] = ()) -> Any:
    """Return a dataclass field that the command line turns into an option.

    Args:
        default: value of a key that is not given; its type is the type of the key.
        help_text: what ``--help`` prints.
        allowed: the allowed texts or numbers; empty for any.
    """
    choices, limit = ((), allowed) if isinstance(allowed, Limit) else (allowed, None)
    metadata = {"help": help_text, "choices": choices, "limit": limit}
    return field(default=default, metadata=metadata)


def check_section(section: Any) -> None:
    """Raise InputError for the first value that its option does not allow."""
    for f in fields(section):
        value, choices, limit = getattr(section, f.name), f.metadata["choices"], f.metadata["limit"]
        if choices and value not in choices:
            raise InputError(f"{f.name} is {value!r}; choose from {', '.join(choices)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{f.name} is {value}; it must be a finite number")
        if limit is not None and not limit.holds(value):
            raise InputError(f"{f.name} is {value}; it must {limit.text}")
