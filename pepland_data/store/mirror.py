"""Local copies of remote stores and inputs: fetched once, checked, complete or absent.

The folder of a store is named by the checksum of its manifest, which contains the checksums of all
files. A store that was built again therefore gets a new folder, and equal stores share one.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from pepland_data.errors import RemoteError, StoreDamagedError, StoreNotFoundError
from pepland_data.files.atomic import TEMP_PREFIX, file_sha256, write_atomic_bytes
from pepland_data.files.json_forms import NAME
from pepland_data.files.remote import RemoteFileNotFoundError, RemoteFolder
from pepland_data.store.manifest import BUILD_FOLDER, MANIFEST_FILE, FileEntry, no_manifest

CACHE_VARIABLE = "PEPLAND_CACHE"
AT_ONCE = 8
"""Files that are fetched at the same time."""


def cache_folder() -> Path:
    """Return the folder of local copies: PEPLAND_CACHE, or one in the user's cache."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pepland-data"


class Mirror:
    """A remote store and the local folder that contains the files fetched so far.

    Args:
        remote: folder of a finished store.
        cache: folder of local copies; None for `cache_folder`.

    Raises:
        StoreNotFoundError: there is no finished store.
        RemoteError: the store cannot be read.
    """

    def __init__(self, remote: RemoteFolder, cache: str | Path | None = None) -> None:
        self.remote, self.cache = remote, cache
        try:
            manifest = remote.read(MANIFEST_FILE)
        except RemoteFileNotFoundError as error:
            found = remote.sizes()
            unfinished = any(name.startswith(f"{BUILD_FOLDER}/") for name in found)
            missing = f"there is no store at {remote.url}; check the path"
            why = no_manifest(remote.url, unfinished) if found else missing
            raise StoreNotFoundError(why) from error
        base = Path(cache) if cache else cache_folder()
        self.folder = base / "stores" / sha256(manifest).hexdigest()[:32]
        if not (self.folder / MANIFEST_FILE).is_file():
            write_atomic_bytes(self.folder / MANIFEST_FILE, manifest)
        self._refreshed: set[str] = set()

    def ensure(self, entries: Sequence[FileEntry], check_contents: bool = False) -> None:
        """Fetch the files that the local folder lacks.

        Args:
            entries: files of the store.
            check_contents: compare the checksums of local files, not only their sizes.

        Raises:
            RemoteError: a file cannot be fetched, or the disk has too little free space.
            StoreDamagedError: a fetched file has another checksum than in the manifest.
        """
        with locked(self.folder):
            missing = [entry for entry in entries if not self._is_here(entry, check_contents)]
            check_room(self.folder, sum(entry.bytes for entry in missing), self.remote.url)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(self._fetch, missing))

    def _is_here(self, entry: FileEntry, check_contents: bool) -> bool:
        path = self.folder / entry.file
        same_size = path.is_file() and path.stat().st_size == entry.bytes
        return same_size and (not check_contents or file_sha256(path) == entry.sha256)

    def _fetch(self, entry: FileEntry) -> None:
        fetch_file(self.remote, entry.file, self.folder / entry.file, entry.sha256)

    def read(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the bytes of remote files without keeping local copies."""
        return self.remote.read_many(names)

    def refresh(self, folder: str) -> None:
        """Fetch the current JSON files of a subfolder that the manifest does not list, once."""
        if folder in self._refreshed:
            return
        ours = re.compile(rf"{folder}/{NAME}\.json").fullmatch
        names = filter(ours, self.remote.sizes(folder))
        with locked(self.folder):
            for path in (self.folder / folder).glob("*"):
                path.unlink()
            for name in names:
                fetch_file(self.remote, name, self.folder / name)
        self._refreshed.add(folder)


def fetch_file(remote: RemoteFolder, name: str, path: Path, checksum: str | None = None) -> None:
    """Fetch a file under a temporary name, compare its checksum if given, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMP_PREFIX}{os.getpid()}-{path.name}"
    try:
        remote.download(name, temporary)
        if checksum is not None and file_sha256(temporary) != checksum:
            raise StoreDamagedError(
                f"{remote.url}/{name} is damaged (its checksum does not match); "
                "upload the store again"
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process fetches into a folder, so the ranks of a run fetch it once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_room(folder: Path, need_bytes: int, url: str) -> None:
    """Raise RemoteError if a folder has less free space than needed."""
    free = shutil.disk_usage(folder).free
    if need_bytes > free:
        raise RemoteError(
            f"{url} needs {need_bytes / 1e6:,.0f} MB in {folder}, which has {free / 1e6:,.0f} MB "
            f"free; delete files there, or set {CACHE_VARIABLE} to a folder with more space"
        )


@contextmanager
def local_input(source: str | Path) -> Iterator[Path]:
    """Fetch a remote input file for a build; the copy is kept only if the build fails.

    Raises:
        RemoteError: the file cannot be read, or the disk has too little free space.
    """
    base, _, name = str(source).rpartition("/")
    remote = RemoteFolder(base)
    token = remote.token(name)
    key = sha256(f"{source} {token}".encode()).hexdigest()[:32]
    path = cache_folder() / "inputs" / key / name
    with locked(path.parent):
        if not path.is_file():
            check_room(path.parent, int(token.split()[0]), str(source))
            fetch_file(remote, name, path)
    yield path
    shutil.rmtree(path.parent, ignore_errors=True)
