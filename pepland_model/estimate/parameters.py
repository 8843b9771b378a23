"""Parameters of the network by part, counted from the network itself."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import torch

from pepland_model.estimate.answer import Answer
from pepland_model.estimate.corpus import Corpus
from pepland_model.measure.dry_steps import dry_steps, network_for
from pepland_model.network.published_names import published_shapes
from pepland_model.run.config import ModelConfig, OptimConfig

VIEWS = {"a": "atom view", "p": "fragment view", "j": "junction view"}
"""First letter in a name -> view."""
PARTS = {
    r"w_(atom|bond)\.": "atom view: input layers",
    r"w_(pharm|reac)\.": "fragment view: input layers",
    r"w_junc\.": "junction view: input layer",
    r"mp\.attn\.aba\.": "atom view: attention",
    r"mp\.attn\.prp\.": "fragment view: attention",
    r"mp\.attn\.(ajp|pja)\.": "junction view: attention",
    r"mp\.mp_list\.aba\.": "atom view: message passing, layer {}",
    r"mp\.mp_list\.prp\.": "fragment view: message passing, layer {}",
    r"mp\.node_last_layer\.a\.": "atom view: last layer",
    r"mp\.node_last_layer\.p\.": "fragment view: last layer",
    r"mp\.node_last_layer\.junc\.": "junction view: last layer",
    r"readout": "published only: readouts",
    r"out\.": "published only: output layers",
    r"heads\.atom\.": "head of atoms",
    r"heads\.fragment\.": "head of fragments",
    r"heads\.bond\.": "head of bonds",
}
"""Start of a name, without ``encoder.`` -> part; {} is the number after it, from 1."""


def parameters(corpus: Corpus, model: ModelConfig) -> Answer:
    """Return the parameters of each part, and whether pre-training changes them."""
    with torch.device("meta"):
        network = network_for(corpus.tables, model)
    own = {name: value.numel() for name, value in network.named_parameters()}
    shapes = published_shapes(network.encoder.state_dict(), model.hidden)
    counts = {f"encoder.{n}": torch.Size(s).numel() for n, s in shapes.items()} | own
    trained = trained_names(corpus, model)
    total: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for name, count in counts.items():
        part = part_of(name.removeprefix("encoder."))
        total[part] += count
        used[part] += count if name in trained else 0
    rows = [row(part, total[part], used[part]) for part in total]
    sums = {
        "all of the network, without heads": [n for n in own if n.startswith("encoder.")],
        "all of the published module": [n for n in counts if n.startswith("encoder.")],
        "all that is trained": [n for n in own if n in trained],
    }
    rows += [
        row(part, sum(counts[n] for n in names), sum(counts[n] for n in names if n in trained))
        for part, names in sums.items()
    ]
    notes = (
        f"Trained with output {model.output}. What the output leaves out has weights, and neither "
        "gradients nor optimizer state. Readouts and output layers are in the published module; no "
        "pre-training loss uses them, and this network does not have them.",
    )
    return Answer("parameters", "Parameters", rows, notes)


def gradient_bytes(corpus: Corpus, model: ModelConfig) -> int:
    """Return the bytes of the gradients that several cards sum in a step."""
    with torch.device("meta"):
        network = network_for(corpus.tables, model)
    return sum(4 * p.numel() for p in network.parameters() if p.requires_grad)


def part_of(name: str) -> str:
    """Return the part that a parameter belongs to."""
    for start, part in PARTS.items():
        if found := re.match(start, name):
            number = re.match(r"\d+", name[found.end() :])
            return part.format(int(number[0]) + 1 if number else "")
    return "other"


def row(part: str, count: int, trained: int) -> dict[str, Any]:
    """Return a row of the table."""
    return {"part": part, "parameters": count, "mib": 4 * count / 2**20, "trained": trained}


def trained_names(corpus: Corpus, model: ModelConfig) -> set[str]:
    """Return the names of the parameters that have a gradient in a step."""
    sizes = corpus.sizes(min(64, corpus.graphs)).training
    (run,) = dry_steps(corpus.tables, [sizes], model, OptimConfig(precision="fp32"))
    return set(run.trained)
