"""The commands of ``pepland-bench``.

- `estimate`: what a training costs on a card.
- `loader`: whether a training step waits for batches.
- `model`: speed of the network on this machine, and its limits.
"""
