"""Benchmarks: each file answers one question and writes its result as JSON, with a chart.

Run one with ``python -m benchmarks.bench_NAME``. `page_tables` writes the tables of
docs/benchmarks.md and docs/gpu.md, `resources_page` docs/resources.md, and `small_test` checks the
run of ``make small-test``. `common` holds shared code, `loaders` the loaders that `bench_loader`
compares, `gpu` the parts of `bench_gpu`, `estimate` those of `bench_estimate`, `resources` those of
`resources_page`, `downstream` those of `bench_downstream`, and `notations` the strings of
`bench_notations`.
"""
