"""Tasks of a build, and the processes that run them.

In: a function and its arguments, or texts. Out: small results; large data goes to files.
Read `engines.py` first, then `convert_chunk.py`.

engines.py          - run tasks here, in worker processes, on Dask or on Ray
convert_chunk.py    - the main task: a chunk of rows becomes a local shard on disk
isolation.py        - start a converting process again when a text kills it, and reject the text
isolated_process.py - the converting process itself
worker_lifetime.py  - workers end with the build, and do not react to Ctrl-C
"""
