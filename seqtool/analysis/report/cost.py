"""Cost of each variant: time per step, and parameters of each part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqtool.runs.contents import Run, Seed, is_number


@dataclass(frozen=True)
class Cost:
    """Cost of one variant.

    Attributes:
        parts, modules: number of parameters of each part and of each module.
        seconds, milliseconds, steps: training time, time per step and number of steps of each seed.
    """

    variant: str
    parameters: int | None
    parts: dict[str, int]
    modules: dict[str, int]
    seconds: list[float]
    milliseconds: list[float]
    steps: list[int]


def costs(run: Run) -> tuple[list[str], list[Cost]]:
    """The names of all parts, and the cost of each variant."""
    rows = [_cost(name, seeds) for name, seeds in run.variants.items()]
    return list(dict.fromkeys(part for row in rows for part in row.parts)), rows


def _cost(name: str, seeds: Sequence[Seed]) -> Cost:
    parts = next((found for seed in seeds if (found := _counts(seed.environment.get("parameters")))), {})
    modules = next((found for seed in seeds if (found := _counts(seed.environment.get("parameters_within")))), {})
    totals = [seed.result.get("parameters") for seed in seeds]
    total = next((int(count) for count in totals if is_number(count)), sum(parts.values()) if parts else None)
    seconds = [time for seed in seeds if (time := _seconds(seed)) is not None]
    steps = [count for seed in seeds if (count := _steps(seed)) is not None]
    paces = [1000 * time / count for seed in seeds if (time := _seconds(seed)) is not None and (count := _steps(seed))]
    return Cost(name, total, parts, modules, seconds, paces, steps)


def _counts(value: Any) -> dict[str, int]:
    return {key: int(count) for key, count in value.items() if is_number(count)} if isinstance(value, dict) else {}


def _seconds(seed: Seed) -> float | None:
    """Time of training and validation; of an unfinished seed, up to its last row."""
    written = seed.result.get("seconds")
    return float(written) if is_number(written) else next(reversed(seed.rows.get("seconds", {}).values()), None)


def _steps(seed: Seed) -> int | None:
    written = seed.result.get("steps")
    return int(written) if is_number(written) else next(reversed(seed.rows.get("seconds", {})), None)
