"""Benchmarks: each file answers one question and writes its result as JSON, with a chart.

Run one with ``python -m benchmarks.bench_NAME``. `readme_table` writes the table in the README from
the results, `resources_page` docs/resources.md, and `small_test` checks the run of
``make small-test``. `common` holds shared code, `loaders` the loaders that `bench_loader` compares,
`gpu` the parts of `bench_gpu`, `estimate` those of `bench_estimate`, and `resources` those of
`resources_page`.
"""
