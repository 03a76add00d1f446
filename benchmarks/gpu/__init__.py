"""seqtool on an accelerator: correctness, then times. `python -m benchmarks gpu`."""
