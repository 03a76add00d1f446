"""Timings, each a ratio from one interleaved run: `python -m benchmarks.loop`."""
