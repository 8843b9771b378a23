"""Stores to batches on a device, in a seeded order. Read `graph_loader` first.

- `graph_loader`: `GraphLoader`, the object that users iterate over.
- `graph_dataset`: the same graphs for a ``DataLoader`` of PyTorch.
- `corpus`: one or more stores as one sequence of graphs.
- `order`: which graphs a process takes in each step.
- `tiers`: where the corpus is kept, and how a batch is read from there.
- `prefetch`: makes the next batches in threads, in order.
- `side_stream`: batches that are made on a stream beside the step.
- `upload`: copies batches to a GPU through pinned memory.
- `meter`: how long the consumer waited, and for what.
- `measure`: a loader measured alone and with a training step.
"""
