"""What several benchmarks share: recorded results, test stores, watched processes, killed runs."""
