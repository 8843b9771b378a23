"""What this machine has of the things that the commands use, and what to do about the rest.

A finding is ``ok``; a ``note``, if something is missing that only some commands need; or a
``problem``, if a package that the base commands need, or an installed one of the extra ``build``,
cannot be imported, or a GPU does not compute.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from pepland_cli.versions import version_of, versions

OK, NOTE, PROBLEM = "ok", "note", "problem"
GIB = 2**30
LEAST_SHM, LEAST_DISK, LEAST_MEMORY = GIB // 8, 2 * GIB, GIB
"""Free bytes below which a finding is a note. Containers have 64 MiB of shared memory by default;
a million peptides take 1.2 GB on disk; a build of them with two workers takes 350 MiB."""
SHM = Path("/dev/shm")
DRIVER = Path("/proc/driver/nvidia/version")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis."""

    topic: str
    state: str
    """``ok``, ``note`` or ``problem``."""
    text: str
    """What was found."""
    remedy: str = ""
    """What to do, if anything."""


@dataclass(frozen=True)
class Package:
    """A package that is imported where it is used."""

    name: str
    """Name for pip."""
    extra: str
    """Extra of pepland-data that brings it; empty if none does."""
    needed_for: str
    module: str = ""
    """Name for ``import``, if it is another one."""

    @property
    def imported(self) -> str:
        """Name for ``import``."""
        return self.module or self.name

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install '{f'pepland-data[{self.extra}]' if self.extra else self.name}'"


BASE = tuple(Package(name, "", use) for name, use in {
    "numpy": "all commands",
    "pyarrow": "all commands",
    "click": "all commands",
    "safetensors": "training and vectors",
    "torch": "loading, training and vectors",
}.items())  # fmt: skip
TEXTS = "build, read, show, verify --semantic, and vectors of texts"
OPTIONAL = (
    Package("rdkit", "build", TEXTS),
    Package("numba", "build", TEXTS),
    Package("scipy", "build", "show, and split --by similarity or scaffold"),
    Package("joblib", "build", "build with several workers"),
    Package("helmkit", "build", "monomers, and HELM that RDKit does not read"),
    Package("tqdm", "build", "the progress bar"),
    Package("zarr", "zarr", "stores and vectors as Zarr"),
    Package("fsspec", "remote", "stores and inputs at URLs"),
    Package("s3fs", "remote", "stores and inputs at s3://"),
    Package("dgl", "dgl", "export --to dgl, and HeteroBatch.to_dgl"),
    Package("torch_geometric", "", "export --to pyg, and HeteroBatch.to_pyg"),
    Package("tensorboard", "train", "the event files of pepland-train"),
    Package(
        "matplotlib", "train", "loss.png, pepland-data report, pepland-bench estimate --report"
    ),
    Package("jinja2", "report", "pepland-data report, and pepland-bench estimate --report"),
    Package("scikit-learn", "train", "the boosted trees beside a fine-tuned model", "sklearn"),
    Package("dask", "distributed", "build --engine dask", "distributed"),
    Package("ray", "", "build --engine ray"),
    Package("mlflow", "", "metrics in MLflow"),
    Package("wandb", "", "metrics in Weights & Biases"),
)


def diagnose() -> list[Finding]:
    """Return all findings; without the base packages, only what can be said without them."""
    found = [version_finding(), *map(base_finding, BASE), *optional_findings()]
    if all(finding.state == OK for finding in found[: 1 + len(BASE)]):
        found += devices()
        found += [memory(), cores()]
        found += numba_cache()
    return [*found, shared_memory(), disk()]


def version_finding() -> Finding:
    """Return the versions of this package and of Python."""
    shown = {name: version for name, version in versions().items()
             if name not in ("torch", "CUDA", "RDKit")}  # fmt: skip
    return Finding("versions", OK, ", ".join(f"{k} {v}" for k, v in shown.items()))


def base_finding(package: Package) -> Finding:
    """Return whether a package that every command needs can be imported."""
    error = import_error(package)
    if error is None:
        return Finding(package.name, OK, version_of(package.name) or "")
    return Finding(package.name, PROBLEM, f"needed for {package.needed_for}, but {error}",
                   f"pip install --force-reinstall {package.name}")  # fmt: skip


def optional_findings() -> Iterator[Finding]:
    """Yield one finding for all optional packages that work, and one for each other package."""
    errors = {package: import_error(package) for package in OPTIONAL}
    works = [f"{p.name} {version_of(p.name, p.imported)}" for p in OPTIONAL if errors[p] is None]
    yield Finding("optional", OK, ", ".join(works) or "no optional package is installed")
    for package, error in errors.items():
        if error is not None:
            text = f"needed for {package.needed_for}, but {error}"
            broken = package.extra == "build" and find_spec(package.imported) is not None
            yield Finding(package.name, PROBLEM if broken else NOTE, text, package.install)


def import_error(package: Package) -> str | None:
    """Return why a package cannot be imported, None if it can."""
    if find_spec(package.imported) is None:
        return "it is not installed"
    try:
        with redirect_stdout(StringIO()):
            _importer(package)()
    except Exception as error:  # whatever a broken installation raises
        return " ".join(f"its import fails: {type(error).__name__}: {error}".split())[:300]
    return None


def _importer(package: Package) -> Callable[[], object]:
    if package.name != "dgl":
        return lambda: importlib.import_module(package.imported)
    from pepland_data.batch.dgl_import import import_dgl

    return import_dgl


def devices() -> Iterator[Finding]:
    """Yield one finding for each GPU; or why there is none."""
    import torch

    if torch.cuda.is_available():
        yield from map(gpu, range(torch.cuda.device_count()))
    elif not DRIVER.exists():
        yield Finding("device", OK, "no GPU; training and vectors run on the CPU")
    elif torch.version.cuda is None:
        yield Finding("device", NOTE, "there is an NVIDIA driver, but torch is built without CUDA",
                      "install a build of torch with CUDA; until then the CPU is used")  # fmt: skip
    else:
        text = f"there is an NVIDIA driver, but torch with CUDA {torch.version.cuda} finds no GPU"
        yield Finding("device", NOTE, text, "look at nvidia-smi and at CUDA_VISIBLE_DEVICES, and "
                      "compare the versions of driver and CUDA")  # fmt: skip


def gpu(index: int) -> Finding:
    """Return name and memory of a GPU, and whether it computes."""
    import torch

    from pepland_data.loader.tiers.choice import readable

    name = torch.cuda.get_device_name(index)
    try:
        free, total = torch.cuda.mem_get_info(index)
        works = float(torch.ones(8, device=f"cuda:{index}").sum()) == 8
    except RuntimeError as error:
        works, text = False, " ".join(str(error).split())[:300]
    else:
        text = f"{name}, {readable(free)} of {readable(total)} free; used by " + (
            "default" if index == 0 else f"--device cuda:{index} and by torchrun"
        )
    if works:
        return Finding(f"cuda:{index}", OK, text)
    return Finding(f"cuda:{index}", PROBLEM, f"{name} does not compute: {text}",
                   "use --device cpu, or install a build of torch for this card")  # fmt: skip


def memory() -> Finding:
    """Return the memory that this process can get; the limit of a container counts."""
    from pepland_data.loader.tiers.choice import free_host_bytes

    free = free_host_bytes()
    if not free:
        return Finding("memory", OK, "the system does not tell")
    return room("memory", free, LEAST_MEMORY, "use fewer --workers")


def cores() -> Finding:
    """Return the cores of this process, and the limit of the container if it is lower."""
    from pepland_data.loader.prefetch import usable_cores

    usable, machine, quota = usable_cores(), os.cpu_count() or 1, core_quota()
    text = f"{usable} of {machine} usable"
    if quota is None or quota >= usable:
        return Finding("cores", OK, text)
    return Finding("cores", NOTE, f"{text}, but the container gets the time of {quota:g}",
                   f"build with --workers {max(1, int(quota))}")  # fmt: skip


def core_quota() -> float | None:
    """Return how many cores the container may keep busy, None without a limit."""
    try:
        limit, period = CPU_QUOTA.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None
    return int(limit) / int(period) if limit.isdigit() else None


def numba_cache() -> Iterator[Finding]:
    """Yield where compiled functions are kept; nothing where Numba does not work."""
    try:
        from pepland_data.chem.smiles.rings import bonds_of_atoms
    except Exception:  # `optional_findings` says why
        return
    stats = getattr(bonds_of_atoms, "stats", None)
    if stats is None:
        yield Finding("numba cache", NOTE, "Numba is switched off, which makes builds slow",
                      "unset NUMBA_DISABLE_JIT")  # fmt: skip
    elif stats.cache_path:
        yield Finding("numba cache", OK, f"{stats.cache_path} can be written")
    else:
        yield Finding("numba cache", NOTE, "no folder can be written, so every process compiles",
                      "set NUMBA_CACHE_DIR to a folder that can be written")  # fmt: skip


def shared_memory() -> Finding:
    """Return the free room in /dev/shm; only Linux has it."""
    if not SHM.is_dir():
        return Finding(str(SHM), OK, "not on this system")
    free = shutil.disk_usage(SHM).free
    return room(str(SHM), free, LEAST_SHM, "give the container more, such as --shm-size 1g")


def disk() -> Finding:
    """Return the free room for files in the current folder."""
    if not os.access(".", os.W_OK):
        return Finding("disk", NOTE, "the current folder cannot be written", "name others by --out")
    free = shutil.disk_usage(".").free
    return room("disk", free, LEAST_DISK, "a million peptides take 1.2 GB; name another --out")


def room(topic: str, free: int, least: int, remedy: str) -> Finding:
    """Return how many bytes are free, with the remedy if there are fewer than `least`."""
    text = f"{free / GIB:,.1f} GiB free"
    return Finding(topic, OK, text) if free >= least else Finding(topic, NOTE, text, remedy)
