"""Which graphs a process takes in each step of an epoch.

- `permutation`: a seeded bijection on 0..n-1, computed place by place.
- `epoch_order`: the global order of an epoch: subsets, several stores, weights.
- `rank_batches`: the steps of one process, from any position on.
- `budget`: batches with at most so many atoms and edges.
"""
