"""JSON that another program may have written: parsed and checked before anything in it is used.

A form is a function that returns nothing for a value it allows, and raises `MismatchError` for
every other one. Forms are put together like types: ``record({"rows": whole(), "name": text()})``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

Form = Callable[[Any], None]
INT64 = 2**63 - 1
NAME = r"[A-Za-z0-9%_-][A-Za-z0-9%_.-]*"
"""Pattern of a file or folder that we write; a leading dot would hide it or lead upwards."""


class MismatchError(ValueError):
    """A value that a form does not allow.

    Args:
        value: what was found.
        expected: what the form allows, in words.
    """

    def __init__(self, value: object, expected: str) -> None:
        super().__init__()
        self.found, self.expected, self.place = _shown(value), expected, ""

    def inside(self, place: str) -> MismatchError:
        """Return this error for the value that contains the wrong one at `place`."""
        self.place = f"{place}.{self.place}" if self.place else place
        return self

    def __str__(self) -> str:
        return f"{self.place or 'it'} is {self.found}, expected {self.expected}"


def parse_json(data: bytes, constants: bool = False) -> Any:
    """Return the value of a JSON text.

    Args:
        data: UTF-8.
        constants: whether ``NaN`` and ``Infinity`` are allowed, which are no JSON.

    Raises:
        ValueError: `data` is no JSON, or is nested too deeply; one line.
    """
    try:
        return json.loads(data, parse_constant=None if constants else _refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def checked(data: bytes, form: Form, constants: bool = False) -> Any:
    """Return the value of a JSON text that has a form; ValueError says why it has not."""
    value = parse_json(data, constants)
    form(value)
    return value


def whole(low: int = 0, high: int = INT64) -> Form:
    """Allow integers from `low` to `high`, but neither true nor 1.0."""

    def check(value: Any) -> None:
        if type(value) is not int or not low <= value <= high:
            raise MismatchError(value, f"a whole number from {low} to {high}")

    return check


def real(value: Any) -> None:
    """Allow finite numbers."""
    any_real(value)
    if not math.isfinite(value):
        raise MismatchError(value, "a finite number")


def any_real(value: Any) -> None:
    """Allow numbers, also NaN and infinite ones."""
    if type(value) is not float and not (type(value) is int and abs(value) <= INT64):
        raise MismatchError(value, "a number")


def flag(value: Any) -> None:
    """Allow true and false."""
    if type(value) is not bool:
        raise MismatchError(value, "true or false")


def any_text(value: Any) -> None:
    """Allow texts, also with lone surrogates: names of files on disks are such texts."""
    if type(value) is not str:
        raise MismatchError(value, "a text")


def text(value: Any) -> None:
    """Allow texts that have a UTF-8 form."""
    if type(value) is not str or not (value.isascii() or _has_utf8(value)):
        raise MismatchError(value, "a text")


def pattern(expression: str, expected: str) -> Form:
    """Allow texts that match a regular expression completely."""
    match = re.compile(expression).fullmatch

    def check(value: Any) -> None:
        if type(value) is not str or not match(value):
            raise MismatchError(value, expected)

    return check


def one_of(*values: Any) -> Form:
    """Allow some values, with their types."""

    def check(value: Any) -> None:
        if not any(type(value) is type(one) and value == one for one in values):
            raise MismatchError(value, " or ".join(map(repr, values)))

    return check


def maybe(form: Form) -> Form:
    """Allow null and what `form` allows."""
    return lambda value: None if value is None else form(value)


def anything(value: Any) -> None:
    """Allow every value."""


def items(form: Form, least: int = 0) -> Form:
    """Allow lists of `least` or more values of a form."""

    def check(value: Any) -> None:
        if type(value) is not list or len(value) < least:
            raise MismatchError(value, f"a list of {least} or more" if least else "a list")
        for place, item in enumerate(value):
            try:
                form(item)
            except MismatchError as error:
                raise error.inside(str(place)) from None

    return check


def sequence(*forms: Form) -> Form:
    """Allow lists with one value of each of these forms."""

    def check(value: Any) -> None:
        if type(value) is not list or len(value) != len(forms):
            raise MismatchError(value, f"a list of {len(forms)}")
        for place, (form, item) in enumerate(zip(forms, value, strict=True)):
            try:
                form(item)
            except MismatchError as error:
                raise error.inside(str(place)) from None

    return check


def both(first: Form, second: Form) -> Form:
    """Allow what two forms allow."""

    def check(value: Any) -> None:
        first(value)
        second(value)

    return check


def mapping(form: Form, names: str = "(?s:.*)") -> Form:
    """Allow objects with values of a form and names that match a regular expression."""
    name_form = both(text, pattern(names, "a name as this file has them"))

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise MismatchError(value, "an object")
        for name, item in value.items():
            name_form(name)
            try:
                form(item)
            except MismatchError as error:
                raise error.inside(ascii(name[:40])) from None

    return check


def either(first: Form, second: Form) -> Form:
    """Allow what one of two forms allows."""

    def check(value: Any) -> None:
        try:
            first(value)
        except MismatchError:
            second(value)

    return check


def settings(value: Any) -> None:
    """Allow objects with any values and with names that can be printed on one line."""
    if type(value) is not dict:
        raise MismatchError(value, "an object")
    for name in value:
        if not name.isprintable():
            raise MismatchError(name, "a name on one line")


def record(required: Mapping[str, Form], optional: Mapping[str, Form] | None = None) -> Form:
    """Allow objects with values of these forms by name; other names are ignored."""
    forms = [(name, form, True) for name, form in required.items()]
    forms += [(name, form, False) for name, form in (optional or {}).items()]

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise MismatchError(value, "an object")
        for name, form, needed in forms:
            if name in value:
                try:
                    form(value[name])
                except MismatchError as error:
                    raise error.inside(name) from None
            elif needed:
                raise MismatchError(value, f"one with {name!r}")

    return check


sha256_hex = pattern("[0-9a-f]{64}", "a SHA-256 in hex")


def _has_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _shown(value: object) -> str:
    """Return a short text of a value, on one line."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    shown = ascii(value[:60] if isinstance(value, str) else value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
