"""Overhead of the training loop compared with a bare torch loop over the same model and data.

    OMP_NUM_THREADS=1 python -m benchmarks.loop align_60_20 --rounds 5

Both train the same variant from the same initialization, in turn, so that changes in machine speed affect both.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import steps as steps_of
from seqtool.recipe import Variant, load_recipe
from seqtool.runs import SeedDirectory
from seqtool.training.fit import fit_seed
from seqtool.training.stopping import StopSignal

WARMUP = 10
"""Untimed steps of both loops; the first row of metrics covers them."""
BOUND = 1.15, 0.8
"""At most this factor of the bare loop's time, or this many milliseconds per step more, whichever is larger."""


def bare(variant: Variant, steps: int, device: torch.device = steps_of.CPU, *, graphs: bool = False) -> float:
    """Milliseconds per step of a minimal loop with the same engine: draw, forward, backward, clip, step.

    With `graphs`, steps after the first are replayed as a CUDA graph.
    """
    (assembly, optimizer), train = steps_of.prepare(variant, device), variant.train
    step = steps_of.batch_step(assembly, optimizer, graphs=graphs, limit=train.clip_norm)
    start = 0.0
    for k in range(steps):
        if k == WARMUP:
            _synchronize(device)
            start = time.perf_counter()
        step(assembly.task.batch("train", k, seed=0, rank=0, batch_size=train.batch_size, device=device))
    _synchronize(device)
    return 1000 * (time.perf_counter() - start) / (steps - WARMUP)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seqtool_loop(variant: Variant, steps: int, device: str | None = None) -> float:
    """Milliseconds per step of `seqtool run` with default logging, between its first and last rows of metrics."""
    with tempfile.TemporaryDirectory() as folder, StopSignal() as stop:
        directory = SeedDirectory(Path(folder))
        fit_seed(variant, 0, directory, stop, device=device)
        rows = directory.read_metrics()
        first, last = rows[0], [row for row in rows if not row["valid_loss"]][-1]
        assert int(first["step"]) == WARMUP
        return 1000 * (float(last["seconds"]) - float(first["seconds"])) / (int(last["step"]) - int(first["step"]))


def main() -> None:
    """Measure each variant of a recipe, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit 1 if a variant exceeds the bound")
    arguments = parser.parse_args()
    # only one validation, after the last step, so that only the loop is timed
    overrides = [f"train.steps={arguments.steps}", f"train.validate_every={arguments.steps}", "train.accelerator=cpu"]
    variants = load_recipe(arguments.recipe, overrides=overrides).variants
    report = {}
    for name, variant in variants.items():
        bare(variant, 20)
        pairs = [
            (bare(variant, arguments.steps), seqtool_loop(variant, arguments.steps)) for _ in range(arguments.rounds)
        ]
        report[name] = {
            "bare_ms": statistics.median(a for a, _ in pairs),
            "seqtool_ms": statistics.median(b for _, b in pairs),
            "ratio": statistics.median(b / a for a, b in pairs),
            "ratio_range": [min(b / a for a, b in pairs), max(b / a for a, b in pairs)],
            "more_ms": statistics.median(b - a for a, b in pairs),
        }
    ratio, more = BOUND
    costly = [name for name, row in report.items() if row["ratio"] > ratio and row["more_ms"] > more]
    if arguments.json:
        print(json.dumps({"threads": torch.get_num_threads(), "variants": report}, indent=2))
        sys.exit(bool(arguments.check and costly))
    print(f"{torch.get_num_threads()} thread(s), {arguments.rounds} rounds of {arguments.steps} steps")
    for name, row in report.items():
        low, high = row["ratio_range"]
        print(
            f"{name}: bare {row['bare_ms']:.2f} ms per step, seqtool {row['seqtool_ms']:.2f}; "
            f"ratio {row['ratio']:.3f} ({low:.3f} to {high:.3f}), {row['more_ms']:+.2f} ms"
        )
    if arguments.check and costly:
        sys.exit(f"over the bound: {', '.join(costly)}")


if __name__ == "__main__":
    main()
