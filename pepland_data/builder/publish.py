"""Stores at a URL: made on this machine and uploaded file by file, the manifest last.

A marker with the recipe is uploaded first. It shows at once whether the URL can be written, and
tells other builds that this one has started. The same command resumes it, also on another machine.
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

from pepland_data.builder.commit import StageProgress
from pepland_data.builder.local_build import BuildReport, already_built, build_local
from pepland_data.builder.options import BuildOptions
from pepland_data.builder.recipe import RECIPE_FILE, changes, parse_recipe, recipe_of
from pepland_data.errors import BuildError, InputError, RemoteError
from pepland_data.files.atomic import write_atomic_bytes
from pepland_data.files.remote import RemoteFolder
from pepland_data.inputs.read_input import check_input
from pepland_data.store.manifest import BUILD_FOLDER, MANIFEST_FILE, read_manifest
from pepland_data.store.mirror import AT_ONCE, Mirror, cache_folder

MARKER = f"{BUILD_FOLDER}/{RECIPE_FILE}"
R = TypeVar("R")


def build_remote(
    source: str | Path, url: str, options: BuildOptions, progress: StageProgress
) -> BuildReport:
    """Build a store in the cache folder and upload it to `url`; see `builder.build`."""
    if str(source) == "-":
        raise InputError(
            f"a build to {url} reads a file, not standard input; write the input to a file"
        )
    check_input(Path(source))
    remote = RemoteFolder(url)
    recipe = recipe_of(Path(source), options, str(source))
    sizes = remote.sizes()
    if MANIFEST_FILE in sizes:
        mirror = Mirror(remote)
        return already_built(url, read_manifest(mirror.folder), recipe)
    _place_marker(remote, sizes, recipe)
    folder = _local_folder(remote)
    _delete_other_build(folder, recipe)
    report = build_local(source, folder, options, progress)
    upload(folder, remote, lambda done, total: progress("upload", done, total))
    shutil.rmtree(folder)
    _recipe_file(folder).unlink()
    return replace(report, path=url, nothing_to_do=False)


def publish(
    url: str, recipe: dict[str, Any], make: Callable[[Path], R], progress: StageProgress
) -> R:
    """Make a new store in a temporary folder and upload it to `url`.

    Args:
        url: new URL, or that of an interrupted run with the same recipe.
        recipe: what decides the bytes of the store, as JSON.
        make: writes the store into the given folder and returns its report.
        progress: called with ``upload``, files done and their total.
    """
    remote = RemoteFolder(url)
    sizes = remote.sizes()
    if MANIFEST_FILE in sizes:
        raise BuildError(f"{url} is there already; name a new folder")
    _place_marker(remote, sizes, {"recipe": recipe})
    folder = _local_folder(remote)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    report = make(folder)
    upload(folder, remote, lambda done, total: progress("upload", done, total))
    shutil.rmtree(folder)
    return report


def _local_folder(remote: RemoteFolder) -> Path:
    """Return the local folder for a store at a URL."""
    return cache_folder() / "builds" / sha256(remote.url.encode()).hexdigest()[:32]


def _recipe_file(folder: Path) -> Path:
    return folder.parent / f"{folder.name}.plan"


def _delete_other_build(folder: Path, recipe: dict[str, Any]) -> None:
    """Delete the local files of a build with another recipe, which is no longer at the URL."""
    path, text = _recipe_file(folder), json.dumps(recipe, sort_keys=True).encode()
    if not path.exists() or path.read_bytes() != text:
        shutil.rmtree(folder, ignore_errors=True)
        write_atomic_bytes(path, text)


def _place_marker(remote: RemoteFolder, sizes: dict[str, int], recipe: dict[str, Any]) -> None:
    """Upload the marker; BuildError if the URL holds something else."""
    if MARKER in sizes:
        old = parse_recipe(remote.read(MARKER), f"{remote.url}/{MARKER}")
        if changed := changes(old, recipe):
            raise BuildError(
                f"{remote.url} holds an unfinished build of another recipe ({changed}); "
                "repeat the old command to finish it, or delete the folder"
            )
        return
    if sizes:
        raise BuildError(
            f"{remote.url} holds other files and no store; name an empty or new folder"
        )
    remote.write(MARKER, json.dumps(recipe, sort_keys=True).encode())


def upload(folder: Path, remote: RemoteFolder, progress: Callable[[int, int], None]) -> None:
    """Upload a finished store, the manifest last; files that were sent before are skipped.

    Raises:
        RemoteError: the network failed; the next call resumes the upload.
    """
    manifest = read_manifest(folder)
    sent = SentFiles(folder, remote)
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
    sent.delete()


class SentFiles:
    """Record of uploaded files, in a file beside the folder, to resume an interrupted upload.

    Args:
        folder: local folder of the store.
        remote: destination of its files.
    """

    def __init__(self, folder: Path, remote: RemoteFolder) -> None:
        self._path = folder.parent / f"{folder.name}.sent"
        self._remote_sizes = remote.sizes()
        self._folder = folder
        sent = self._path.read_text("utf-8", "replace") if self._path.exists() else ""
        self._lines = set(sent.splitlines())

    def has(self, name: str, sha: str) -> bool:
        """Return whether a file with this content was sent and is still at the URL."""
        size = (self._folder / name).stat().st_size
        return bool(sha) and f"{sha} {name}" in self._lines and self._remote_sizes.get(name) == size

    def add(self, name: str, sha: str) -> None:
        """Record a file; a line that a kill truncated matches no file."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{sha} {name}\n")

    def delete(self) -> None:
        """Delete the record."""
        self._path.unlink(missing_ok=True)
