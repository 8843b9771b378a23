"""Stores at a URL: made here, uploaded file by file, and finished by the manifest, which goes last.

A marker with the recipe goes first. It shows at once whether the place can be written, tells others
that a build is on its way, and lets the same command, here or elsewhere, go on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pepland_data.builder.commit import Progress
from pepland_data.builder.local_build import BuildReport, already_built, build_local
from pepland_data.builder.options import BuildOptions
from pepland_data.builder.recipe import RECIPE_FILE, changes, recipe_of
from pepland_data.errors import BuildError, InputError, RemoteError
from pepland_data.files.atomic import write_atomic_bytes
from pepland_data.files.remote import RemoteFolder
from pepland_data.inputs.input_blocks import check_input
from pepland_data.store.manifest import BUILD_FOLDER, MANIFEST_FILE, read_manifest
from pepland_data.store.mirror import AT_ONCE, Mirror, cache_folder

MARKER = f"{BUILD_FOLDER}/{RECIPE_FILE}"
R = TypeVar("R")


def build_remote(
    source: str | Path, url: str, options: BuildOptions, progress: Progress
) -> BuildReport:
    """Build a store aside in the cache folder and upload it to `url`; see `builder.build`."""
    if str(source) == "-":
        raise InputError(f"a build to {url} reads a file, so that it can go on; write one first")
    check_input(Path(source))
    remote = RemoteFolder(url)
    recipe = recipe_of(Path(source), options, str(source))
    found = remote.sizes()
    if MANIFEST_FILE in found:
        mirror = Mirror(remote)
        return already_built(url, read_manifest(mirror.folder), recipe)
    _claim(remote, found, recipe)
    aside = _aside(remote)
    _forget_other(aside, recipe)
    report = build_local(source, aside, options, progress)
    upload(aside, remote, lambda done, total: progress("upload", done, total))
    shutil.rmtree(aside)
    _recipe_file(aside).unlink()
    return replace(report, path=url, nothing_to_do=False)


def publish(url: str, recipe: dict[str, Any], make: Callable[[Path], R], progress: Progress) -> R:
    """Make a new store aside, in a folder that is given to `make`, and upload it to `url`.

    Args:
        url: where there is nothing yet, or what a killed run of the same recipe left.
        recipe: what decides the bytes of the store, as JSON.
        make: writes the store and returns its report.
        progress: called with ``upload``, files done and their number.
    """
    remote = RemoteFolder(url)
    found = remote.sizes()
    if MANIFEST_FILE in found:
        raise BuildError(f"{url} is there already; name a new folder")
    _claim(remote, found, {"recipe": recipe})
    aside = _aside(remote)
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    report = make(aside)
    upload(aside, remote, lambda done, total: progress("upload", done, total))
    shutil.rmtree(aside)
    return report


def _aside(remote: RemoteFolder) -> Path:
    """Return the folder on this machine for a store at a URL."""
    return cache_folder() / "builds" / sha256(remote.url.encode()).hexdigest()[:32]


def _recipe_file(aside: Path) -> Path:
    return aside.parent / f"{aside.name}.plan"


def _forget_other(aside: Path, recipe: dict[str, Any]) -> None:
    """Delete what is left of a build of another kind, whose place at the URL is free again."""
    path, text = _recipe_file(aside), json.dumps(recipe, sort_keys=True).encode()
    if not path.exists() or path.read_bytes() != text:
        shutil.rmtree(aside, ignore_errors=True)
        write_atomic_bytes(path, text)


def _claim(remote: RemoteFolder, found: dict[str, int], recipe: dict[str, Any]) -> None:
    """Leave a marker, unless something else is there."""
    if MARKER in found:
        old = json.loads(remote.read(MARKER))
        if changed := changes(old, recipe):
            raise BuildError(
                f"{remote.url} holds an unfinished build of another kind ({changed}); "
                "repeat the old command to finish it, or delete the folder"
            )
        return
    if found:
        raise BuildError(
            f"{remote.url} holds other files and no store; name an empty or new folder"
        )
    remote.write(MARKER, json.dumps(recipe, sort_keys=True).encode())


def upload(folder: Path, remote: RemoteFolder, progress: Callable[[int, int], None]) -> None:
    """Upload a finished store, what is there already left alone, the manifest last.

    Raises:
        RemoteError: the network failed; called again, it goes on.
    """
    manifest = read_manifest(folder)
    sent = Sent(folder, remote)
    splits = [p.relative_to(folder).as_posix() for p in (folder / "splits").glob("*.json")]
    files = [(entry.file, entry.sha256) for entry in manifest.entries()]
    files += [(name, "") for name in splits]

    def send(file: tuple[str, str]) -> None:
        if not sent.has(*file):
            remote.upload(folder / file[0], file[0])
            sent.add(*file)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(send, files), 1):
            progress(done, len(files))
    arrived = remote.sizes()
    for entry in manifest.entries():
        if arrived.get(entry.file) != entry.bytes:
            raise RemoteError(
                f"{remote.url}/{entry.file} did not arrive as it was sent; run the command again"
            )
    remote.upload(folder / MANIFEST_FILE, MANIFEST_FILE)
    remote.delete(MARKER)
    sent.forget()


class Sent:
    """Which files of a folder were uploaded, on record beside it so that a killed upload goes on.

    Args:
        folder: on this machine.
        remote: where its files go.
    """

    def __init__(self, folder: Path, remote: RemoteFolder) -> None:
        self._path = folder.parent / f"{folder.name}.sent"
        self._there = remote.sizes()
        self._folder = folder
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        self._lines = set(lines)

    def has(self, name: str, sha: str) -> bool:
        """Whether a file with this content was sent and is still there."""
        size = (self._folder / name).stat().st_size
        return bool(sha) and f"{sha} {name}" in self._lines and self._there.get(name) == size

    def add(self, name: str, sha: str) -> None:
        """Record a file; a line that a kill cut short names no file."""
        with self._path.open("a") as file:
            file.write(f"{sha} {name}\n")

    def forget(self) -> None:
        """Delete the record."""
        self._path.unlink(missing_ok=True)
