"""The loaders that `bench_loader` compares, how one of them is measured, and the chart."""
