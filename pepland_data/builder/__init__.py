"""Build stores: the rows of an input file become a store, and stores are merged or converted.

In: an input file, or stores. Out: a folder or URL with a complete store and its manifest.
The way of a row: build.py -> local_build.py -> workers/convert_chunk.py -> commit.py.

build.py, local_build.py - a store from a file, resumed after a kill; options.py - its settings
recipe.py       - the recipe: what decides the bytes of a build, and whether it can be resumed
commit.py       - write the converted chunks as shards with one set of tables
first_rows.py   - stop a build early if most of the first rows are rejects
column_types.py - int, float or text for a pass-through column
duplicates.py   - reject graphs of molecules that occur in an earlier row (``--dedup``)
append.py       - add rows to a store
merge.py, merge_layout.py, merge_write.py - join stores: checks, contents of each shard, files
exclude.py, like_stores.py, exclude_write.py - a store without the peptides of other files
convert_format.py, write_zarr.py - a store in the other format, Arrow or Zarr
publish.py      - upload a store to a URL, the manifest last
"""
