"""The columns of metrics.csv as curves: for each variant the mean, minimum and maximum over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqtool.runs.contents import Seed

MAX_POINTS = 400
"""Longer curves are averaged over consecutive steps."""

FIRST = ("train_loss", "valid_loss", "train_token_accuracy", "valid_token_accuracy", "valid_sequence_accuracy")
OMITTED = ("seconds",)


def curves(variants: Mapping[str, Sequence[Seed]]) -> list[dict[str, Any]]:
    """All columns: the steps, and the mean, minimum and maximum over the seeds of each variant."""
    names = {name: None for seeds in variants.values() for seed in seeds for name in seed.rows if name not in OMITTED}
    ordered = [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]
    return [_curve(name, variants) for name in ordered]


def _curve(name: str, variants: Mapping[str, Sequence[Seed]]) -> dict[str, Any]:
    taken = {variant: [seed.rows[name] for seed in seeds if name in seed.rows] for variant, seeds in variants.items()}
    steps = sorted({step for seeds in taken.values() for values in seeds for step in values})
    groups = _groups(steps)
    of_step = {step: i for i, group in enumerate(groups) for step in group}
    lines = [_line(variant, seeds, of_step, len(groups)) for variant, seeds in taken.items() if seeds]
    return {
        "name": name,
        "steps": [group[-1] for group in groups],
        "averaged": len(groups) < len(steps),
        "lines": lines,
    }


def _groups(steps: list[int]) -> list[list[int]]:
    """Groups of consecutive steps; each is one point."""
    width = -(-len(steps) // MAX_POINTS)
    return [steps[i : i + width] for i in range(0, len(steps), width)] if steps else []


def _line(variant: str, seeds: list[dict[int, float]], of_step: dict[int, int], points: int) -> dict[str, Any]:
    columns = [_averaged(values, of_step, points) for values in seeds]
    present = [[value for value in point if value is not None] for point in zip(*columns, strict=True)]
    return {
        "variant": variant,
        "seeds": len(seeds),
        "mean": [_rounded(sum(values) / len(values)) if values else None for values in present],
        "low": [_rounded(min(values)) if values else None for values in present],
        "high": [_rounded(max(values)) if values else None for values in present],
    }


def _averaged(values: dict[int, float], of_step: dict[int, int], points: int) -> list[float | None]:
    sums, counts = [0.0] * points, [0] * points
    for step, value in values.items():
        sums[of_step[step]] += value
        counts[of_step[step]] += 1
    return [total / count if count else None for total, count in zip(sums, counts, strict=True)]


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
