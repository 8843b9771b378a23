"""Vectors of peptides from a pre-trained encoder.

Input: texts, a file of texts or a store, and a model. Output: arrays, or one file of vectors. Read
embedder.py first (Python), then embed.py (the command pepland-embed).

embedder.py - texts to vectors in memory, with a cache. vector_cache.py - this cache.
encoder.py - graphs to vectors. growing_tables.py - one set of feature tables for all graphs.
embed.py - an input to an output file. rows.py - reads and embeds the rows of an input in parts.
vector_files.py - writes Parquet, npz or Zarr.
"""
