"""One kind of step on the CPU: its time, its memory, and what is counted of it.

python -m benchmarks.estimate.cpu_case STORE KIND STATES BATCH SECONDS

A process of its own, because a process does not give all of its memory back. It prints one line of
JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks.estimate.compare import Row
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_model.estimate.corpus import Corpus
from pepland_model.measure.dry_steps import CPU
from pepland_model.measure.live_memory import LiveMemory
from pepland_model.measure.operator_counts import OperatorCounter
from pepland_model.measure.roofline import times
from pepland_model.measure.speed import Peak, Settings, inference_run, training_run
from pepland_model.measure.variants import VARIANTS
from pepland_model.network.pharmhgt import PharmHGT
from pepland_model.run.config import ModelConfig

NAMES = {
    ("training", "once"): "states_once", ("training", "every row"): "needed_rows",
    ("inference", "once"): "states_once", ("inference", "every row"): "tables",
}  # fmt: skip
"""Kind and states -> the variant of `pepland_model.measure.variants`."""
MIB = 2**20
Step = Callable[[], Any]


def step_of(kind: str, states: str, batch: HeteroBatch) -> Step:
    """Return one step on a batch; no gradients are left after it."""
    variant = next(v for v in VARIANTS if v.name == NAMES[kind, states])
    if kind == "inference":
        return inference_run(variant, [batch], Settings(CPU))[0]
    step, part = training_run(variant, batch, Settings(CPU))

    def run() -> None:
        step(part)
        step.optimizer.zero_grad(set_to_none=True)

    return run


def measured(step: Step, seconds: float) -> Row:
    """Return memory, counts and processor time of a step, after one that sets up everything."""
    step()
    found = {"rss_growth_mib": rss_growth_mib(step)} | counts(step) | host_arrays(step)
    return found | processor_times(step, seconds)


def processor_times(step: Step, seconds: float) -> Row:
    """Return the processor time of a step, and that of its search for equal states apart."""
    searches: list[float] = []
    plan = PharmHGT.plan

    def timed(*args: Any, **named: Any) -> Any:
        began = time.process_time()
        found = plan(*args, **named)
        searches.append(time.process_time() - began)
        return found

    with patch.object(PharmHGT, "plan", timed):
        taken = times(step, CPU, seconds, 3, clock=lambda: time.process_time() - sum(searches))
    return {"ms": 1e3 * median(taken), "search_ms": 1e3 * median(searches)}


def rss_growth_mib(step: Step) -> float:
    """Return how far resident memory rises in a step above what is resident before it."""
    before, peak = resident_mib(), Peak(CPU)
    step()
    return peak.mib() - before


def resident_mib() -> float:
    """Return the resident memory of this process."""
    pages = Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / MIB


def counts(step: Step) -> Row:
    """Return operators, bytes and FLOPs of a step, and the peak of what it makes of tensors.

    The first step tells the memory of the weights, which are there before and after.
    """
    memory = LiveMemory()
    with OperatorCounter("step", default="step", memory=memory) as counter:
        step()
        counter.clear()
        memory.forget()
        before = sum(memory.now.values())
        step()
    made = sum(memory.peak.values()) - before
    return {**asdict(counter.parts["step"]), "tensors_mib": made / MIB}


def host_arrays(step: Step) -> Row:
    """Return the peak of the arrays of numpy, in which a CPU searches for equal states."""
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"host_arrays_mib": peak / MIB}


def main() -> None:
    """Measure what the arguments say, and print it."""
    store, kind, states, batch, seconds = sys.argv[1:]
    step = step_of(kind, states, Corpus([store], ModelConfig()).batch(int(batch)))
    print(json.dumps(measured(step, float(seconds))))


if __name__ == "__main__":
    main()
