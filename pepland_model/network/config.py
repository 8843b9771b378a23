"""The sizes and the variant of the network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from pepland_data.errors import InputError

OUTPUTS = ("homo", "checkpoint", "fused")


@dataclass(frozen=True)
class PharmHGTConfig:
    """Settings that decide the parameters and outputs of `PharmHGT`."""

    hidden: int = 300
    """Width d of every state."""
    depth: int = 5
    """Message passing takes ``depth - 1`` rounds."""
    heads: int = 4
    """Attention heads; `hidden` must be a multiple of it."""
    output: str = "homo"
    """Which states are the embedding: ``homo``, ``checkpoint`` or ``fused``."""
    dedup: bool | str = "auto"
    """Compute each distinct state once: "auto" (on the CPU, where it saves time), True or False."""
    keep_states: bool = True
    """At inference on a CPU, keep the distinct states of both views from batch to batch."""

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise InputError(f"unknown output {self.output!r}; expected one of {OUTPUTS}")
        if self.dedup not in (True, False, "auto"):
            raise InputError(f'dedup {self.dedup!r}; expected "auto", True or False')
        if self.depth < 2 or self.hidden < 1 or self.heads < 1 or self.hidden % self.heads:
            raise InputError(
                f"hidden {self.hidden}, depth {self.depth}, heads {self.heads}: expected a depth "
                "of 2 or more, and a hidden width that is a multiple of heads"
            )

    @property
    def rounds(self) -> int:
        """Rounds of message passing."""
        return self.depth - 1

    @property
    def junction(self) -> bool:
        """Whether the junction view reaches the embedding."""
        return self.output != "homo"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON file holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PharmHGTConfig:
        """Return the configuration with these values; InputError names an unknown key."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError(f"unknown model setting {unknown[0]!r}; known: {sorted(known)}")
        return cls(**values)
