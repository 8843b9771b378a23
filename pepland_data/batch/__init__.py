"""A batch: some graphs side by side as tensors, and the same as graphs of other libraries.

- `arrays`: the fields of a batch with their shapes, and the tables beside them. Read it first.
- `hetero_batch`: `HeteroBatch`, made of graphs or columns, and taken apart again.
- `byte_layout`: all arrays of a batch in one block of bytes, for one copy to a device.
- `static_arrays`: arrays at a fixed place, into which batches of any smaller shape are copied.
- `dgl_graphs`, `pyg_graphs`: conversion to DGL and PyTorch Geometric, and back.
- `interchange`: what both conversions share.
- `dgl_import`: imports DGL without the part that fails with current torch versions.
- `export`: a whole store as Parquet, DGL or PyG files.
"""
