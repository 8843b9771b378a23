"""Speed of each formulation of the network on this machine, compared with its roofline."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.errors import InputError, MissingDependencyError
from pepland_model.measure.roofline import Ceilings, Counter, measure_ceilings, spread, times, wait
from pepland_model.measure.variants import (
    INFERENCE,
    TRAINING,
    Prepared,
    TrainingStep,
    Variant,
    encoder_of,
    inference,
    prepare,
    unmasked,
)
from pepland_model.network.config import PharmHGTConfig
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.train.mask import MaskOptions, mask_batch
from pepland_model.train.step import autocast

CLASSES = 258
"""Labels of the fragment head; their number has little effect on the speed."""
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16,
          "fp16": torch.float16}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Settings of one measurement."""

    device: torch.device
    precision: str = "fp32"
    """``fp32``, ``tf32``, ``bf16`` or ``fp16``."""
    config: PharmHGTConfig = field(default_factory=PharmHGTConfig)
    """Sizes and output; the variant decides whether equal states are searched."""
    seconds: float = 2.0
    """Time for each figure; at least `repeats` calls are made."""
    repeats: int = 3
    """Least number of calls; a figure is their median."""
    processor_time: bool = False
    """Measure processor time, not wall time: for a CPU with other load."""

    def __post_init__(self) -> None:
        if self.precision not in DTYPES:
            raise InputError(f"precision {self.precision!r}; expected one of {', '.join(DTYPES)}")
        if self.precision == "tf32" and self.device.type == "cpu":
            raise InputError("precision tf32 needs a CUDA device; on a CPU choose fp32 or bf16")

    @property
    def clock(self) -> Callable[[], float]:
        """Function that returns the time in seconds."""
        return time.process_time if self.processor_time else time.perf_counter


def ceilings(settings: Settings) -> Ceilings:
    """Measure the ceilings of the device at a precision."""
    torch.backends.cuda.matmul.allow_tf32 = settings.precision == "tf32"
    return measure_ceilings(settings.device, DTYPES[settings.precision], clock=settings.clock)


def shared_weights(config: PharmHGTConfig, device: torch.device) -> dict[str, Tensor]:
    """Return the initial weights of every variant, equal on every machine."""
    torch.manual_seed(0)
    return PharmHGT(config).to(device).state_dict()


def measure_inference(
    variant: Variant,
    batches: Sequence[HeteroBatch],
    settings: Settings,
    ceiling: Ceilings,
    atoms_only: bool = False,
) -> dict[str, Any]:
    """Return graphs per second over some batches, starting with an empty cache, and the limits.

    Args:
        variant: one of `pepland_model.measure.variants.VARIANTS`.
        batches: not masked; the time includes the search for equal states, not making the batches.
        settings: device, precision, output, time.
        ceiling: ceilings measured in the same run.
        atoms_only: compute only the atom view.
    """
    run, empty = inference_run(variant, batches, settings, atoms_only)
    graphs = sum(batch.num_graphs for batch in batches)
    return _figures(run, graphs, settings, ceiling, empty)


def inference_run(
    variant: Variant, batches: Sequence[HeteroBatch], settings: Settings, atoms_only: bool = False
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return two functions: a pass over all batches, and one that deletes the kept states."""
    encoder = encoder_of(variant, settings.config, shared_weights(settings.config, settings.device))
    made = [unmasked(variant, batch) for batch in batches]
    forward = inference(encoder, settings.precision, settings.device, atoms_only)

    def empty() -> None:
        if isinstance(encoder, PharmHGT):
            encoder.cache.clear()

    def run() -> None:
        for part in made:
            forward(part)

    return run, empty


def measure_training(
    variant: Variant, batch: HeteroBatch, settings: Settings, ceiling: Ceilings
) -> dict[str, Any]:
    """Return graphs per second in training steps on one masked batch, and the limits.

    Masks are those of the publication (80 % of side-chain atoms and of fragments), made in advance.
    """
    step, part = training_run(variant, batch, settings)
    found = _figures(lambda: step(part), batch.num_graphs, settings, ceiling)
    return found | {"kept_mib": round(kept_bytes(step, part) / 2**20, 1)}


def training_run(
    variant: Variant, batch: HeteroBatch, settings: Settings
) -> tuple[TrainingStep, Prepared]:
    """Return a training step, and the masked batch that it takes."""
    config = settings.config
    encoder = encoder_of(variant, config, shared_weights(config, settings.device))
    masked = mask_batch(batch, MaskOptions(), 0, 0)
    labels = torch.arange(len(batch.tables.fragment_x), device=batch.device) % CLASSES
    part = prepare(variant, masked, labels)
    return TrainingStep(variant, encoder, CLASSES, settings.precision, settings.device), part


def estimate(
    variant: Variant, batch: HeteroBatch, settings: Settings, card: Ceilings
) -> dict[str, float]:
    """Return graphs per second of another device: operators counted here, at its ceilings.

    This is an upper bound for operators that run one after another: kernel launches and the search
    for equal states are not counted, and no operators are fused.
    """
    run, empty = inference_run(variant, [batch], settings)
    step, part = training_run(variant, batch, settings)
    found = {}
    for name, once in (("inference", run), ("training", lambda: step(part))):
        empty()
        with Counter(card) as counted:
            once()
        found[f"{name}_per_s"] = float(f"{batch.num_graphs / counted.seconds:.3g}")
        found[f"{name}_mb_per_graph"] = round(counted.moved / batch.num_graphs / 1e6, 3)
        found[f"{name}_gflop_per_graph"] = round(counted.flops / batch.num_graphs / 1e9, 4)
    return found


def _figures(
    run: Callable[[], Any],
    graphs: int,
    settings: Settings,
    ceiling: Ceilings,
    before: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    peak = Peak(settings.device)
    taken = times(run, settings.device, settings.seconds, settings.repeats, before, settings.clock)
    found = {"graphs_per_s": spread(taken, graphs), "peak_mib": peak.mib()}
    if before is not None:
        before()
    with Counter(ceiling) as counted:
        run()
    share = counted.seconds / sorted(taken)[len(taken) // 2]
    return found | {
        "gflop_per_graph": round(counted.flops / graphs / 1e9, 5),
        "mb_per_graph": round(counted.moved / graphs / 1e6, 4),
        "roofline_share": round(share, 3),
        "products_share": round(counted.products["products"] / max(counted.seconds, 1e-12), 3),
    }


def kept_bytes(step: TrainingStep, part: Prepared) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, weights included."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    keep = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with keep, autocast(step.precision, step.device):
        loss = step.loss(part)
    total = sum(kept.values())
    del loss
    return total


class Peak:
    """Peak memory since its creation: of the process on a CPU, of the allocator on CUDA."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            wait(device)
            torch.cuda.reset_peak_memory_stats(device)
        elif Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")

    def mib(self) -> float:
        """Return the peak in MiB."""
        if self.device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self.device) / 2**20, 1)
        if sys.platform == "linux":
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            high = next(line for line in lines if line.startswith("VmHWM"))
            return round(int(high.split()[1]) / 2**10, 1)
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)


def sweep(
    variants: Iterable[Variant],
    batches: Sequence[HeteroBatch],
    settings: Settings,
    ceiling: Ceilings,
    say: Callable[[str], Any] = lambda line: None,
) -> list[dict[str, Any]]:
    """Measure variants on the same batches, one row each; without DGL its variants are left out.

    Args:
        variants: in the order of the result.
        batches: inference runs on all of them, training on the first.
        settings: device, precision, output, time.
        ceiling: ceilings measured in the same run.
        say: called with each line of progress.
    """
    rows = []
    for variant in variants:
        row: dict[str, Any] = {"variant": variant.name, "adds": variant.says,
                               "batch_size": batches[0].num_graphs}  # fmt: skip
        say(variant.name)
        try:
            if variant.name in INFERENCE:
                row["inference"] = measure_inference(variant, batches, settings, ceiling)
            if variant.name in TRAINING:
                row["training"] = measure_training(variant, batches[0], settings, ceiling)
        except MissingDependencyError as error:
            row["left_out"] = str(error)
        rows.append(row)
    return rows
