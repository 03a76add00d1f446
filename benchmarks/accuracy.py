"""Training time until the alignment task is solved, for each engine: `seqtool run align_60_20_additive`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.racing import Result
from seqtool.recipe import load_recipe
from seqtool.runs import SeedDirectory
from seqtool.training.fit import fit_seed
from seqtool.training.stopping import StopSignal

ENGINES = "auto", "reference"
TARGET = 0.995
"""Token accuracy in validation."""


def seconds(engine: str, seed: int, steps: int | None) -> float | None:
    """Seconds until a validation first reaches `TARGET`, from metrics.csv; None if none does."""
    overrides = [f"train.engine={engine}", "train.validate_every=100", "train.accelerator=cpu"]
    if steps:
        overrides.append(f"train.steps={steps}")
    variant = next(iter(load_recipe("align_60_20_additive", overrides=overrides).variants.values()))
    with tempfile.TemporaryDirectory() as folder, StopSignal() as stop:
        directory = SeedDirectory(Path(folder))
        fit_seed(variant, seed, directory, stop)
        rows = [row for row in directory.read_metrics() if row["valid_token_accuracy"]]
    return next((float(row["seconds"]) for row in rows if float(row["valid_token_accuracy"]) >= TARGET), None)


def results(rounds: int, quick: bool) -> Iterator[Result]:
    """One seed per round, with all engines in turn."""
    result = Result(f"align_60_20_additive until {TARGET} of the symbols are correct")
    for seed in range(rounds):
        times = {engine: seconds(engine, seed, 100 if quick else None) for engine in ENGINES}
        if None in times.values():
            missed = ", ".join(engine for engine, value in times.items() if value is None)
            result.notes.append(f"seed {seed}: {missed} did not reach it")
            continue
        for engine, value in times.items():
            result.times.setdefault(f"seqtool {engine}", []).append(1000 * (value or 0))
    yield result
