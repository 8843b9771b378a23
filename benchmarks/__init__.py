"""Benchmarks: one question a file, results as JSON, charts and README tables made from them."""
