"""PharmHGT: the network, models on disk, and the published weights.

In: a `HeteroBatch`. Out: states of all atoms and fragments. Read `plain_pharmhgt` for the
equations, then `pharmhgt`, which computes the same on fewer rows.

- `config`: sizes and output. `pharmhgt`: the module. `plain_pharmhgt`: the reference.
- `attention`, `segments`, `edges`, `indexed_rows`: the operations of a round.
- `states`: which rows are computed (the plan), and equal states found and kept.
- `heads`: the linear layers of pre-training. `pooling`: one vector for each peptide.
- `cuda_graph`: inference recorded once and replayed.
- `model_files`: a model on disk.
- `published_names`, `published`: names, shapes and files of the published weights.
"""
