"""What every part measures with: device, store, sizes, and networks and batches made of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from pepland_data import GraphStore
from pepland_data.batch.hetero_batch import HeteroBatch
from pepland_data.graph.vocabulary import Vocabulary
from pepland_model.measure.report import GraphSource
from pepland_model.network.cuda_graph import GraphedVectors
from pepland_model.network.pooling import Pooling
from pepland_model.run.config import ModelConfig, OptimConfig
from pepland_model.run.distributed import ProcessGroup
from pepland_model.train.mask import MaskOptions
from pepland_model.train.pretrain_network import PretrainNetwork, build_network
from pepland_model.train.step import PretrainUpdater, autocast
from pepland_model.train.step_program import StepProgram

MASKS = MaskOptions()
CPU = torch.device("cpu")
CLASSES = 258
"""Labels of the fragment head."""


@dataclass(frozen=True)
class Bench:
    """What is measured, and on what."""

    device: torch.device
    store: GraphStore
    quick: bool = False
    """Tiny batches, a tiny network and hardly any time: to see that all parts run."""
    said: list[str] = field(default_factory=list)
    """What programs said: why they were not recorded."""

    @property
    def cuda(self) -> bool:
        """Whether the device is a card."""
        return self.device.type == "cuda"

    @property
    def graph(self) -> str:
        """How programs run: recorded on a card."""
        return "auto" if self.cuda else "off"

    @property
    def model(self) -> ModelConfig:
        """Sizes of the network."""
        return ModelConfig(hidden=16, depth=3) if self.quick else ModelConfig()

    def sizes(self, *full: int) -> tuple[int, ...]:
        """Return batch sizes that the store can fill; a quick run has one, tiny."""
        wanted = (8,) if self.quick else full
        return tuple(dict.fromkeys(min(size, len(self.store)) for size in wanted))

    def seconds(self, full: float) -> float:
        """Return the time of one figure."""
        return min(full, 0.05) if self.quick else full

    def count(self, full: int, quick: int) -> int:
        """Return a number of steps or calls."""
        return quick if self.quick else full

    def precisions(self, *names: str) -> tuple[str, ...]:
        """Return these precisions on a card, and fp32 on a CPU."""
        return names if self.cuda else ("fp32",)

    def wait(self) -> None:
        """Wait until the device has done its work."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def network(self, device: torch.device | None = None, **model: object) -> PretrainNetwork:
        """Return a network with the same weights every time."""
        torch.manual_seed(0)
        vocabulary = Vocabulary(tuple(self.store.tables.fragment_smiles[1 : CLASSES + 1]))
        sizes = replace(self.model, **model)  # type: ignore[arg-type]
        return build_network(sizes, vocabulary, bonds=False).to(device or self.device)

    def updater(
        self, precision: str, device: torch.device | None = None, **model: object
    ) -> PretrainUpdater:
        """Return a new network with its optimizer."""
        home = device or self.device
        network, options = self.network(home, **model), OptimConfig(precision=precision)
        return PretrainUpdater(network, options, ProcessGroup(0, 1, home), 1000)

    def program(self, precision: str) -> StepProgram:
        """Return training steps of a new network, recorded on a card."""
        return StepProgram(self.updater(precision), MASKS, 0, self.graph, self.said.append)

    def vectors(self) -> GraphedVectors:
        """Return the inference of a new network, recorded on a card."""
        return GraphedVectors(
            self.network().encoder.eval(), Pooling(), self.graph, self.said.append
        )

    def batches(
        self, size: int, count: int, device: torch.device | None = None
    ) -> list[HeteroBatch]:
        """Return batches of graphs drawn at random, the same ones every time."""
        rng, wanted = np.random.default_rng(size), min(size * count, len(self.store))
        rows = np.sort(rng.permutation(len(self.store))[:wanted])
        source = GraphSource(self.store.gather(rng.permutation(rows)), self.store.tables)
        return source.batches(size, count, device or self.device)

    def told(self) -> list[str]:
        """Return what programs have said since the last call."""
        said = list(self.said)
        self.said.clear()
        return said

    @contextmanager
    def at(self, precision: str) -> Iterator[None]:
        """Compute with a precision, without gradients."""
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        try:
            with torch.no_grad(), autocast(precision, self.device):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before
