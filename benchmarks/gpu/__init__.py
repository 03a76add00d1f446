"""Correctness and speed on an accelerator: `python -m benchmarks gpu`."""
