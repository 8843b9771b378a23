"""How fast the network runs on this machine, formulation by formulation, beside its roofline."""

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
"""Labels of the fragment head; their number hardly matters here."""
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16,
          "fp16": torch.float16}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """What one measurement is made with."""

    device: torch.device
    precision: str = "fp32"
    """``fp32``, ``tf32``, ``bf16`` or ``fp16``."""
    config: PharmHGTConfig = field(default_factory=PharmHGTConfig)
    """Sizes and output; the variants decide how states are searched."""
    seconds: float = 2.0
    """To spend on each figure; at least `repeats` calls are made."""
    repeats: int = 3
    """Calls at least, of which the median is taken."""
    processor_time: bool = False
    """Count seconds of the processor, not of the wall: for a CPU that others use too."""

    def __post_init__(self) -> None:
        if self.precision not in DTYPES:
            raise InputError(f"precision {self.precision!r}; expected one of {', '.join(DTYPES)}")
        if self.precision == "tf32" and self.device.type == "cpu":
            raise InputError("precision tf32 is of CUDA devices; on a CPU choose fp32 or bf16")

    @property
    def clock(self) -> Callable[[], float]:
        """What gives the time."""
        return time.process_time if self.processor_time else time.perf_counter


def ceilings(settings: Settings) -> Ceilings:
    """Measure this device's ceilings at a precision."""
    torch.backends.cuda.matmul.allow_tf32 = settings.precision == "tf32"
    return measure_ceilings(settings.device, DTYPES[settings.precision], clock=settings.clock)


def shared_weights(config: PharmHGTConfig, device: torch.device) -> dict[str, Tensor]:
    """Return the weights that every variant starts from, the same on every machine."""
    torch.manual_seed(0)
    return PharmHGT(config).to(device).state_dict()


def measure_inference(
    variant: Variant,
    batches: Sequence[HeteroBatch],
    settings: Settings,
    ceiling: Ceilings,
    atoms_only: bool = False,
) -> dict[str, Any]:
    """Return graphs per second over some batches, from an empty cache on, and what limits them.

    Args:
        variant: one of `pepland_model.measure.variants.VARIANTS`.
        batches: not masked; searching equal states is in the figure, making the batches is not.
        settings: device, precision, output, time.
        ceiling: measured in the same run.
        atoms_only: compute the atom view alone.
    """
    run, empty = inference_run(variant, batches, settings, atoms_only)
    graphs = sum(batch.num_graphs for batch in batches)
    return _figures(run, graphs, settings, ceiling, empty)


def inference_run(
    variant: Variant, batches: Sequence[HeteroBatch], settings: Settings, atoms_only: bool = False
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return a pass over all batches, and what empties the states that the pass keeps."""
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
    """Return graphs per second in training steps on one masked batch, and what limits them.

    Masks are the published ones (80 % of side chains' atoms and of fragments), made beforehand.
    """
    step, part = training_run(variant, batch, settings)
    found = _figures(lambda: step(part), batch.num_graphs, settings, ceiling)
    return found | {"kept_mib": round(kept_bytes(step, part) / 2**20, 1)}


def training_run(
    variant: Variant, batch: HeteroBatch, settings: Settings
) -> tuple[TrainingStep, Prepared]:
    """Return a training step and the masked batch to take it on."""
    config = settings.config
    encoder = encoder_of(variant, config, shared_weights(config, settings.device))
    masked = mask_batch(batch, MaskOptions(), 0, 0)
    labels = torch.arange(len(batch.tables.fragment_x), device=batch.device) % CLASSES
    part = prepare(variant, masked, labels)
    return TrainingStep(variant, encoder, CLASSES, settings.precision, settings.device), part


def estimate(
    variant: Variant, batch: HeteroBatch, settings: Settings, card: Ceilings
) -> dict[str, float]:
    """Return graphs per second on a card that is not here: counted here, at the card's ceilings.

    An upper bound for one operator after another: neither launches nor the search for equal states
    are counted, and no operator is fused with the next.
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
    """The most memory held since it was made: the process's on a CPU, the allocator's on CUDA."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            wait(device)
            torch.cuda.reset_peak_memory_stats(device)
        elif Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5")

    def mib(self) -> float:
        """Return mebibytes."""
        if self.device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self.device) / 2**20, 1)
        if sys.platform == "linux":
            lines = Path("/proc/self/status").read_text().splitlines()
            high = next(line for line in lines if line.startswith("VmHWM"))
            return round(int(high.split()[1]) / 2**10, 1)
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)


def sweep(
    variants: Iterable[Variant],
    batches: Sequence[HeteroBatch],
    settings: Settings,
    ceiling: Ceilings,
    training: bool = True,
    say: Callable[[str], Any] = lambda line: None,
) -> list[dict[str, Any]]:
    """Measure variants on the same batches, one row each; DGL where it is not there is left out.

    Args:
        variants: in the order of the result.
        batches: inference runs on all of them, training on the first.
        settings: device, precision, output, time.
        ceiling: measured in the same run.
        training: measure steps too.
        say: takes a line of progress.
    """
    rows = []
    for variant in variants:
        row: dict[str, Any] = {"variant": variant.name, "adds": variant.says,
                               "batch_size": batches[0].num_graphs}  # fmt: skip
        say(variant.name)
        try:
            if variant.name in INFERENCE:
                row["inference"] = measure_inference(variant, batches, settings, ceiling)
            if training and variant.name in TRAINING:
                row["training"] = measure_training(variant, batches[0], settings, ceiling)
        except MissingDependencyError as error:
            row["left_out"] = str(error)
        rows.append(row)
    return rows
