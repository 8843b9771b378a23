"""The Zarr format of a store, and how it is read. `builder.write_zarr` writes it.

- `layout`: which arrays there are, and how one array becomes objects.
- `metadata_form`: what the metadata of groups and arrays may say.
- `columns`: pass-through columns as plain arrays.
- `arrays`: ranges of arrays, out of objects whose checksums were compared.
- `read`: shards, decoded from these ranges.
"""
