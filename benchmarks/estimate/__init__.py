"""Checks of the estimate, predicted beside measured: the parts of `bench_estimate`.

Read `compare` first: a prediction beside its measurement.

- `given_sizes`: an estimate for batches whose sizes are known.
- `h100`: times and memory of the steps that the shipped calibration holds.
- `older_code`: measurements of an H100 that no part of the estimate was fitted to.
- `cpu`: steps on the CPU at hand; `cpu_case` is one of them, in a process of its own.
- `ranks`: several processes that sum their gradients; `rank_process` is one of them.
- `states`: distinct states of batches larger than those that were searched.
- `parameters`: of a checkpoint.

`calibration` writes the measurement of an H100 that ships with the package.
"""
