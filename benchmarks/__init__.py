"""Benchmarks. Contestants run interleaved and are compared by ratios: `python -m benchmarks`."""
