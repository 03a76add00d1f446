"""Results of each variant, and the formatting of numbers, times and titles."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from seqtool.runs.contents import Run, Seed, is_number

NOT_MEASURES = ("format", "steps", "seconds", "steps_per_second", "parameters")
TITLES = {
    "train_loss": "Training loss",
    "valid_loss": "Validation loss",
    "train_token_accuracy": "Training token accuracy",
    "learning_rate": "Learning rate",
}


@dataclass(frozen=True)
class Result:
    """Results of one variant: number of finished seeds, number of seeds, measure -> seed -> value."""

    variant: str
    finished: int
    seeds: int
    values: dict[str, dict[int, float]]


def results(run: Run) -> tuple[list[str], list[Result]]:
    """All measures, and the results of each variant. Of an unfinished seed, the last values are used."""
    rows = [_result(name, seeds) for name, seeds in run.variants.items()]
    return list(dict.fromkeys(measure for row in rows for measure in row.values)), rows


def _result(name: str, seeds: Sequence[Seed]) -> Result:
    values: dict[str, dict[int, float]] = {}
    for seed in seeds:
        for measure, value in _measures(seed).items():
            values.setdefault(measure, {})[seed.seed] = value
    return Result(name, sum(seed.finished for seed in seeds), len(seeds), values)


def _measures(seed: Seed) -> dict[str, float]:
    if seed.result:
        return {key: value for key, value in seed.result.items() if key not in NOT_MEASURES and is_number(value)}
    last = {column: next(reversed(values.values())) for column, values in seed.rows.items()}
    kept = {column: value for column, value in last.items() if column in TITLES or column.startswith("valid_")}
    kept.pop("learning_rate", None)
    kept.pop("train_token_accuracy", None)
    return {key if key == "valid_loss" else key.removeprefix("valid_"): value for key, value in kept.items()}


def title(name: str) -> str:
    """The heading of a column or measure."""
    if name in TITLES:
        return TITLES[name]
    words = name.replace("_", " ").strip() or name
    words = f"validation {words.removeprefix('valid ')}" if words.startswith("valid ") else words
    return words[:1].upper() + words[1:]


def format_mean(values: Sequence[float]) -> str:
    """The mean over seeds, formatted."""
    return format_number(mean(values))


def format_time(value: Any) -> str:
    """A time of run.json in UTC; empty if it is invalid."""
    try:
        return datetime.datetime.fromisoformat(value).astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (TypeError, ValueError, OverflowError):
        return ""


def format_number(value: Any) -> str:
    """Format a number with up to four decimals; strings are kept, other values become JSON."""
    if is_number(value):
        if isinstance(value, int):
            return f"{value:,}"
        scientific = value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6)
        return f"{value:.2e}" if scientific else f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
