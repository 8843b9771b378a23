"""Where the corpus is kept while batches are made of it.

- `choice`: which tier fits into the free memory. Read it first.
- `source`: what a tier gives, and how its columns become a batch.
- `mmap`: the mapped shards on disk; `shard_offsets` finds graphs in them.
- `host`: a copy in memory; `records` keeps each graph as one record of bytes.
- `segments`: joins many segments of bytes, for both.
- `device`: a copy on the GPU, which makes its batches there.
- `host_buffers`: memory for batches, used again.
"""
