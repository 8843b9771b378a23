"""An S3 API on this machine for tests: moto's server on a free port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Server:
    """moto's server in a process of its own, which can be killed."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **quiet)
        deadline = time.monotonic() + 60
        while True:
            try:
                urlopen(f"{self.url}/moto-api/", timeout=5).read()
                return
            except (URLError, OSError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError("moto's server did not start") from None
                time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def client(url: str):
    """Return a client of Amazon's own library, independent of the code under test."""
    import boto3

    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)


def make_bucket(url: str, name: str) -> None:
    client(url).create_bucket(Bucket=name)


def bucket_files(url: str, bucket: str, prefix: str) -> dict[str, bytes]:
    found = client(url)
    pages = found.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {
        key.removeprefix(prefix): found.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in keys
    }


def end_workers() -> None:
    """End idle worker processes, which keep the environment that they were started in."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Set environment variables, None deletes one; clients and workers of before are dropped."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            if value is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, value)
        end_workers()
        try:
            yield
        finally:
            S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An S3 API with the bucket ``peptides``; all clients in this process use it."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    server = Server()
    make_bucket(server.url, "peptides")
    cache = str(tmp_path_factory.mktemp("cache"))
    with environment(**CREDENTIALS, AWS_ENDPOINT_URL=server.url, PEPLAND_CACHE=cache):
        yield server
    server.kill()
