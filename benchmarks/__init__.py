"""Benchmarks: each file answers one question and writes its result as JSON, with a chart.

Run one with ``python -m benchmarks.bench_NAME``. `readme_table` writes the table in the README from
the results, `layout_counts` counts files and lines, `small_test` checks the run of
``make small-test``, and `peers_featurize` is a part of `bench_featurize`. `common` holds shared
code, `loaders` the loaders that `bench_loader` compares, `gpu` the parts of `bench_gpu`, and
`estimate` those of `bench_estimate`.
"""
