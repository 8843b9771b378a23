"""Folders at a URL (``s3://``, ``gs://``), through fsspec, with plain error messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pepland_data.errors import InputError, MissingDependencyError, RemoteError

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs"}
"""Scheme of a URL -> the package that fsspec needs for it."""
REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "(403)")
"""Words in the messages of a server that denies access."""
UNREACHED = ("ConnectionError", "EndpointConnectionError", "ClientConnectorError",
             "ConnectTimeoutError", "ReadTimeoutError", "ClientOSError", "ConnectionClosedError",
             "ServerDisconnectedError", "FSTimeoutError", "TimeoutError")  # fmt: skip
"""Names of exceptions, of any package, for a server that does not answer."""


def is_remote(path: str | Path) -> bool:
    """Return whether a path is a URL of another machine; ``file://`` is local."""
    return "://" in str(path) and not str(path).startswith("file://")


def local_path(path: str | Path) -> Path:
    """Return a local path from a path or a ``file://`` URL."""
    text = str(path)
    return Path(unquote(urlsplit(text).path) if text.startswith("file://") else path)


class RemoteFolder:
    """The files below a URL, by their names relative to it.

    Args:
        url: ``s3://bucket/folder`` or another URL that fsspec knows. The packages look for
            credentials, region and endpoint in the environment, profiles and fsspec's own files.

    Raises:
        InputError: the scheme of the URL is unknown.
        MissingDependencyError: the package for the scheme is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = str(url).rstrip("/")
        self._fs, self._root = _file_system(self.url)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.url,)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; FileNotFoundError if it does not exist."""
        with self._plain_errors(name):
            return bytes(self._fs.cat_file(self._path(name)))

    def read_many(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the bytes of some files by name, fetched concurrently."""
        with self._plain_errors(names[0] if names else ""):
            found = self._fs.cat([self._path(name) for name in names])
            return {name: bytes(found[self._path(name)]) for name in names}

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return name -> size in bytes of all files; {} if there are none."""
        with self._plain_errors(below):
            try:
                found = self._fs.find(self._path(below), detail=True)
            except FileNotFoundError:
                self._check_bucket()
                return {}
        cut = len(self._root) + 1
        return {path[cut:]: int(info["size"]) for path, info in sorted(found.items())}

    def token(self, name: str = "") -> str:
        """Return a text that changes with the file; FileNotFoundError if it does not exist."""
        with self._plain_errors(name):
            info = self._fs.info(self._path(name))
            if info.get("type") == "directory":
                raise FileNotFoundError(name)
            names = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "created")
            return f"{info['size']} {[str(info[n]) for n in names if n in info]}"

    def download(self, name: str, path: Path) -> None:
        """Copy a file of the folder to a local path."""
        with self._plain_errors(name):
            self._fs.get_file(self._path(name), str(path))

    def upload(self, path: Path, name: str) -> None:
        """Copy a local file to the folder."""
        with self._plain_errors(name):
            self._fs.put_file(str(path), self._path(name))

    def write(self, name: str, data: bytes) -> None:
        """Write a small file."""
        with self._plain_errors(name):
            self._fs.pipe_file(self._path(name), data)

    def delete(self, name: str) -> None:
        """Delete a file."""
        with self._plain_errors(name):
            self._fs.rm_file(self._path(name))

    def _check_bucket(self) -> None:
        """Raise RemoteError if the bucket does not exist; an empty folder is no error."""
        bucket = self._root.split("/")[0]
        if self.url.split("://")[0] in PACKAGES and not self._fs.exists(bucket):
            raise RemoteError(
                f"{self.url}: there is no bucket {bucket!r}; create it or check the URL"
            )

    @contextmanager
    def _plain_errors(self, name: str) -> Iterator[None]:
        """Raise the errors of the packages with plain messages."""
        where = f"{self.url}/{name}" if name else self.url
        try:
            yield
        except (RemoteError, InputError):
            raise
        except Exception as error:
            raise _plain_error(error, where) from error


def _file_system(url: str) -> tuple[Any, str]:
    scheme = url.split("://")[0]
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        package = PACKAGES.get(scheme, "fsspec")
        how = "'pepland-data[remote]'" if package in ("s3fs", "fsspec") else package
        raise MissingDependencyError(
            f"{url} needs the package {package}; install it with `pip install {how}`"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{url}: unknown scheme {scheme!r}; expected a path, s3://, gs:// or file://"
        ) from error
    return fs, str(root).rstrip("/")


def _plain_error(error: Exception, where: str) -> Exception:
    chain = [error, *filter(None, [error.__cause__, error.__context__])]
    names = {kind.__name__ for one in chain for kind in type(one).__mro__}
    text = " ".join(str(error).split())[:300]
    if isinstance(error, FileNotFoundError):
        if "bucket" in text.lower():
            return RemoteError(f"{where}: there is no such bucket; create it or check the name")
        return RemoteFileNotFoundError(f"there is no {where}; check the path")
    if "NoCredentialsError" in names or "RefreshError" in names:
        return RemoteError(
            f"{where}: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or name a profile with AWS_PROFILE"
        )
    if names.intersection(UNREACHED) and not isinstance(error, PermissionError):
        return RemoteError(
            f"{where} cannot be reached ({text}); check the network and run the command again: "
            "it resumes where it stopped"
        )
    if isinstance(error, PermissionError) or any(word in text for word in REFUSED):
        return RemoteError(f"{where}: access is denied ({text}); check credentials and permissions")
    return RemoteError(f"{where}: {type(error).__name__}: {text}; run the command again")


class RemoteFileNotFoundError(RemoteError, FileNotFoundError):
    """The file does not exist at the URL."""
