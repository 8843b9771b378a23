"""The loaders that `bench_loader` compares. Read `catalog` first.

- `catalog`: all loaders by name, with the packages they need.
- `measure_one`: measures one loader in a separate process.
- `coded`: loaders of coded graphs: ours, array gathers, LMDB, LitData.
- `graphs`: loaders of graph objects of DGL and PyG; `pyg_data` is a peptide for PyG.
- `records`: a graph as bytes, for LMDB and LitData.
- `chart`: the chart of the results.
"""
