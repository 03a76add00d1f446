"""Seconds of training until the alignment task is solved, by engine: `seqtool run align_60_20_additive`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.racing import Result
from seqtool.recipe import load_recipe
from seqtool.runs import SeedDirectory
from seqtool.training.fit import fit_seed
from seqtool.training.stopping import StopSignal

ENGINES = "auto", "reference"
WANTED = 0.995
"""Token accuracy at validation."""


def seconds(engine: str, seed: int, steps: int | None) -> float | None:
    """Until a validation first reaches `WANTED`, as metrics.csv has it; None where none does."""
    changes = [f"train.engine={engine}", "train.validate_every=100", "train.accelerator=cpu"]
    if steps:
        changes.append(f"train.steps={steps}")
    variant = next(iter(load_recipe("align_60_20_additive", overrides=changes).variants.values()))
    with tempfile.TemporaryDirectory() as folder, StopSignal() as stop:
        directory = SeedDirectory(Path(folder))
        fit_seed(variant, seed, directory, stop)
        rows = [row for row in directory.read_metrics() if row["valid_token_accuracy"]]
    return next((float(row["seconds"]) for row in rows if float(row["valid_token_accuracy"]) >= WANTED), None)


def results(rounds: int, quick: bool) -> Iterator[Result]:
    """A seed a round, the engines in turn."""
    result = Result(f"align_60_20_additive until {WANTED} of the symbols are right")
    for seed in range(rounds):
        taken = {engine: seconds(engine, seed, 100 if quick else None) for engine in ENGINES}
        if None in taken.values():
            missed = ", ".join(engine for engine, value in taken.items() if value is None)
            result.notes.append(f"seed {seed}: {missed} never reached it")
            continue
        for engine, value in taken.items():
            result.times.setdefault(f"seqtool {engine}", []).append(1000 * (value or 0))
    yield result
