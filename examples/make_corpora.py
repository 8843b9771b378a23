"""Make the stores of both stages of pre-training from files that you fetched; see docs/corpora.md.

Each step is a `pepland-data` command, printed before it runs, so that it can be typed as well. The
same call again does only what is missing.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def command_line(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the user gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    several = {"action": "append", "default": [], "metavar": "FILE"}
    parser.add_argument("--canonical", **several, help="sequences of natural residues: FASTA, CSV")
    parser.add_argument("--noncanonical", **several, help="SMILES or HELM of other peptides")
    parser.add_argument("--monomers", **several, help="monomer library for the HELM")
    parser.add_argument("--exclude", **several, help="benchmark task to keep out of both stores")
    parser.add_argument("--threshold", help="identity at which peptides are near, 0.9 to 1")
    parser.add_argument("--max-atoms", type=int, default=500, help="heavy atoms; 500: 60 residues")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, required=True, help="folder of all stores")
    return parser.parse_args(arguments)


def run(*words: object) -> None:
    """Print a command, run it, and end with its exit code if it fails."""
    arguments = [str(word) for word in words]
    print(f"$ pepland-data {shlex.join(arguments)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "pepland_cli.data", *arguments], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def repeated(option: str, files: Sequence[str]) -> list[str]:
    """Return an option once for each file."""
    return [word for file in files for word in (option, file)]


def make_stage(
    name: str, files: Sequence[str], build_flags: Sequence[object], given: argparse.Namespace
) -> None:
    """Build each file without duplicates, join the stores, and leave out the benchmark tasks."""
    stores = [given.out / f"{name}-{number}" for number in range(len(files))]
    for file, store in zip(files, stores, strict=True):
        flags = ["--dedup", "--max-atoms", given.max_atoms, "--max-reject-frac", 1, *build_flags]
        run("build", file, "--out", store, "--workers", given.workers, *flags)
    joined = given.out / (f"{name}-all" if given.exclude else name)
    run("merge", *stores, "--out", joined)
    if given.exclude:
        like = repeated("--like", given.exclude) + repeated("--monomers", given.monomers)
        near = ["--threshold", given.threshold] if given.threshold else []
        where = ["--out", given.out / name, "--workers", given.workers]
        run("exclude", joined, *like, *near, *where)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make ``stage-1`` of the canonical files and ``stage-2`` of the others."""
    given = command_line(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.canonical:
        make_stage("stage-1", given.canonical, ["--input-format", "sequence"], given)
    if given.noncanonical:
        monomers = repeated("--monomers", given.monomers)
        make_stage("stage-2", given.noncanonical, monomers, given)


if __name__ == "__main__":
    main()
