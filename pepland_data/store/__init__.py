"""A finished store on disk: a manifest, tables, shards, and what is recorded beside them.

In: a folder or a URL. Out: graphs, texts and columns by row number. Read `graph_store` first.

- `graph_store`: `open_store` and `GraphStore`, the object that users hold.
- `manifest`: the file that makes a folder a finished store, with the checksums of all others.
- `manifest_form`: what a manifest may say. `store_files`: files, checked before they are opened.
- `arrow_shards`, `arrow_arrays`: the Arrow format, written and read.
- `zarr`: the Zarr format, read.
- `row_files`: rejects and notes, read.
- `shard_checks`: tables, sizes, codes and indices, checked before they are used.
- `mirror`: remote stores and inputs, copied to a cache folder.
- `split`: which graph belongs to train, valid and test.
- `verify`: all checks of a store; `consistency` and `featurize_again` are two of them.
- `summary`: counts and distributions. `card`: the README.md of a store.
"""
