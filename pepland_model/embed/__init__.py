"""Peptides to vectors of a pre-trained encoder.

- `embed`: from a file or store to a file of vectors, as ``pepland-embed`` does. Read it first.
- `rows`: input rows to vectors, some hundred at a time.
- `encoder`: graphs to vectors. `growing_tables`: feature tables that new graphs extend.
- `embedder`: `Embedder`, for texts in Python; `vector_cache` keeps the last vectors.
- `vector_files`: Parquet, npz and Zarr files of vectors.
"""
