"""The parts of ``bench_gpu``, each a function of a bench and a budget. Read `bench` first.

- `bench`: device, store, sizes of the model and of batches, and what every part makes of them.
- `budget`: time of a part, failures that end a row and not the run.
- `card`: names and versions, and what the store and the model hold.
- `cuda_tests`: the tests marked ``cuda``.
- `equality`: the same numbers as a CPU, and the same bits twice.
- `end_to_end`: training from shards.
- `steps`: training steps and inference alone.
- `kernel_times`: the kernels of a step, and watts.
- `ceilings`: limits of the card, and the share that a step reaches.
- `loader_speed`: batches alone and beside a step.
- `latency`: one peptide.
- `loss_curve`: losses beside those of a CPU.
"""
