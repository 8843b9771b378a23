"""How fast the network runs here, and what limits it: the figures of ``pepland-bench model``.

- `report`: all figures as one document. Read it first.
- `speed`: one measurement: inference, training, memory.
- `variants`: the ways to compute the network that are compared.
- `dgl_formulation`: one of them: the published formulation on DGL.
- `roofline`: operations and bytes counted, and the limits of the device measured.
- `state_counts`: how many states of a corpus are distinct.
"""
