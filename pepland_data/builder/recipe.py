"""Recipe of a build: everything that decides the bytes of a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pepland_data.builder.options import BuildOptions
from pepland_data.builder.workers.engines import versions
from pepland_data.chem.monomers.given import shown
from pepland_data.errors import BuildError, StoreDamagedError
from pepland_data.files.atomic import (
    file_sha256,
    remove_leftovers,
    utf8_name,
    write_atomic_bytes,
)
from pepland_data.files.json_forms import checked, mapping, settings
from pepland_data.inputs.part import Part
from pepland_data.inputs.read_input import count_rows

RECIPE_FILE = "plan.json"
"""Recipe of an unfinished build; the file has the name that the first release gave it."""
NOT_COMPARED = ("input.name", "input.first_row", "input.of_rows")
"""Entries that change no byte, or that follow from another entry."""


def recipe_of(path: Path, options: BuildOptions, name: str) -> dict[str, Any]:
    """Return the recipe of a build: versions, options, input and format, as plain JSON values.

    Args:
        path: the local input file.
        options: options of the build.
        name: path or URL that the user gave for the input.
    """
    source: dict[str, Any] = {"name": utf8_name(name), "sha256": file_sha256(path)}
    if options.part is not None:
        total = count_rows(path, options.smiles_column, options.featurize.input_format)
        first = options.part.rows(total, options.rows_per_shard).start
        source |= {"part": str(options.part), "first_row": first, "of_rows": total}
    return {
        "versions": versions(),
        "options": {
            **options.featurize.record(),
            "smiles_column": options.smiles_column,
            "rows_per_shard": options.rows_per_shard,
            **({"keep_index": True} if options.keep_index else {}),
        },
        "input": source,
        "store": {"format": options.format},
    }


def rows_of(recipe: dict[str, Any]) -> range | None:
    """Return the input rows to build, None for all."""
    source = recipe["input"]
    if "part" not in source:
        return None
    part = Part.parse(source["part"])
    return part.rows(source["of_rows"], recipe["options"]["rows_per_shard"])


def changes(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return a text that lists the differences of two recipes, '' if there are none."""
    was = {f"{k}.{n}": v for k, part in old.items() for n, v in part.items()}
    now = {f"{k}.{n}": v for k, part in new.items() for n, v in part.items()}
    names = sorted(was.keys() | now.keys())
    different = [n for n in names if was.get(n) != now.get(n) and n not in NOT_COMPARED]
    return ", ".join(
        "input content"
        if name == "input.sha256"
        else f"{name.split('.')[1]} was {shown(was.get(name))}, now {shown(now.get(name))}"
        for name in different
    )


def parse_recipe(data: bytes, where: object) -> dict[str, Any]:
    """Return the recipe that an unfinished build recorded; StoreDamagedError if it is none."""
    try:
        found: dict[str, Any] = checked(data, mapping(settings))
    except ValueError as error:
        raise StoreDamagedError(
            f"{where} is damaged ({error}); delete the unfinished build and start it again"
        ) from error
    return found


def start_or_resume(work: Path, recipe: dict[str, Any]) -> None:
    """Record the recipe of a new build; BuildError if an unfinished build has another recipe."""
    path = work / RECIPE_FILE
    remove_leftovers(work.parent)
    if not path.exists():
        write_atomic_bytes(path, json.dumps(recipe).encode())
        return
    if changed := changes(parse_recipe(path.read_bytes(), path), recipe):
        raise BuildError(
            f"{work.parent} holds an unfinished build of another recipe ({changed}); "
            "repeat the old command to finish it, or delete the folder"
        )
