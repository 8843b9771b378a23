"""Code that several benchmarks share. Read `record` first.

- `record`: writes a result with machine, versions and command as one JSON file.
- `commands`: commands that run as separate processes.
- `processes`: memory and processor time of a command and its workers.
- `kill_steps`: kills a command at every step and compares the result.
- `training_data`: a store for benchmarks of training.
- `repeated_store`: a store of any size.
- `model_chart`: the chart of `bench_model`.
- `peers_featurize`: other featurizers, in environments of their own, for `bench_featurize`.
- `layout_counts`: files, import cycles and lines of the tree.
"""
