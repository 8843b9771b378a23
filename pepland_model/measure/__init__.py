"""How fast the network runs here, and what limits it: the figures of ``pepland-bench model``.

- `report`: all figures as one document. Read it first.
- `speed`: one measurement: inference, training, memory.
- `variants`: the ways to compute the network that are compared.
- `dgl_formulation`: one of them: the published formulation on DGL.
- `roofline`: operations and bytes counted, and the limits of the device measured.
- `step_counts`: what one training step asks of a card, counted without one (``--count``).
- `first_steps`: the first steps of a training run, for ``pepland-train --dry-run``.
- `dry_steps`: training steps and inference, run without memory. `dry_card`: how that works.
- `live_memory`: memory in use while a program runs.
- `operator_counts`: operators, host reads, sorts, bytes and FLOPs of any program.
- `state_counts`: how many states of a corpus are distinct.
"""
