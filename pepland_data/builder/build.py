"""``build(...)``: a file of texts becomes a store, in a folder or at a URL."""

from __future__ import annotations

from pathlib import Path

from pepland_data.builder.commit import StageProgress
from pepland_data.builder.local_build import BuildReport, build_local
from pepland_data.builder.options import BuildOptions
from pepland_data.builder.publish import build_remote
from pepland_data.files.remote import is_remote, local_path
from pepland_data.store.mirror import local_input
from pepland_data.store.zarr.layout import import_zarr


def build(
    source: str | Path,
    out: str | Path,
    options: BuildOptions | None = None,
    progress: StageProgress = lambda stage, done, total: None,
) -> BuildReport:
    """Turn a file of texts into a store at `out`; resume an interrupted build.

    Args:
        source: a file that `inputs.read_input` reads, compressed or not, its URL, or ``-`` for
            standard input.
        out: folder of the store, or a URL, to which the store is uploaded from the cache folder.
        options: see `BuildOptions`.
        progress: called with stage, rows or shards done, and their total or None.

    Raises:
        InputError: the input cannot be used.
        BuildError: the folder holds something else, or an unfinished build of another recipe.
        RemoteError: a URL cannot be read or written.
    """
    options = options or BuildOptions()
    if options.format == "zarr":
        import_zarr()
    if is_remote(source):
        with local_input(source) as fetched:
            return build(fetched, out, options, progress)
    if is_remote(out):
        return build_remote(local_path(source), str(out), options, progress)
    return build_local(local_path(source), local_path(out), options, progress)
