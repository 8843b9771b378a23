"""The recipe of a build: everything that decides the bytes of a store, and what changed in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pepland_data.builder.options import BuildOptions
from pepland_data.builder.workers.engines import versions
from pepland_data.errors import BuildError
from pepland_data.files.atomic import file_sha256, remove_leftovers, write_atomic_bytes
from pepland_data.inputs.input_blocks import count_rows
from pepland_data.inputs.part import Part

RECIPE_FILE = "plan.json"
"""Name of the recipe in an unfinished build; the first release called it a plan."""
NOT_SHOWN = ("input.name", "input.first_row", "input.of_rows")
"""What changes nothing, or follows from something else."""


def recipe_of(path: Path, options: BuildOptions, name: str) -> dict[str, Any]:
    """Return the recipe of a build: versions, options, input and format, as plain JSON values.

    Args:
        path: the input on this machine.
        options: of the build.
        name: what the user calls the input.
    """
    source: dict[str, Any] = {"name": Path(name).name, "sha256": file_sha256(path)}
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
        },
        "input": source,
        "store": {"format": options.format},
    }


def rows_of(recipe: dict[str, Any]) -> range | None:
    """Return the rows to build of an input, None for all."""
    source = recipe["input"]
    if "part" not in source:
        return None
    part = Part.parse(source["part"])
    return part.rows(source["of_rows"], recipe["options"]["rows_per_shard"])


def changes(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return in words what differs between two recipes, '' where nothing does."""
    flat_old = {f"{k}.{n}": v for k, part in old.items() for n, v in part.items()}
    flat_new = {f"{k}.{n}": v for k, part in new.items() for n, v in part.items()}
    names = sorted(flat_old.keys() | flat_new.keys())
    different = [n for n in names if flat_old.get(n) != flat_new.get(n) and n not in NOT_SHOWN]
    shown = (f"{n.split('.')[1] if n != 'input.sha256' else 'input content'}" for n in different)
    values = (
        "" if n == "input.sha256" else f" was {flat_old.get(n)!r}, now {flat_new.get(n)!r}"
        for n in different
    )
    return ", ".join(a + b for a, b in zip(shown, values, strict=True))


def start_or_resume(work: Path, recipe: dict[str, Any]) -> None:
    """Record the recipe of a new build, or refuse to go on with another one."""
    path = work / RECIPE_FILE
    remove_leftovers(work.parent)
    if not path.exists():
        write_atomic_bytes(path, json.dumps(recipe).encode())
        return
    if changed := changes(json.loads(path.read_bytes()), recipe):
        raise BuildError(
            f"{work.parent} holds an unfinished build of another kind ({changed}); "
            "repeat the old command to finish it, or delete the folder"
        )
