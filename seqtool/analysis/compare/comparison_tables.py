"""What differs between arms: recipes, metrics, predictions, cost; each figure with how sure it is."""

from statistics import mean
from typing import Any

import numpy as np

from seqtool.analysis.compare.variants import Arm, Gathered
from seqtool.analysis.report.cost import costs
from seqtool.analysis.report.recipe_differences import differences
from seqtool.analysis.report.results import results
from seqtool.runs.contents import Example
from seqtool.statistics.bootstrap import described, interval, resampled


def comparison(gathered: Gathered) -> dict[str, Any]:
    """All tables as plain data; `compare.json` in docs/seeing.md says what they hold."""
    arms = gathered.arms
    recipe, unreadable = differences({arm.label: arm.run.resolved[arm.variant] for arm in arms})
    return {
        "arms": [_about(arm) for arm in arms],
        "recipe": dict(recipe),
        "metrics": _metrics(arms),
        "bootstrap": described(0) | {"baseline": arms[0].label},
        "pairs": [_pair(arms[0], other) for other in arms[1:]],
        "cost": {arm.label: _cost(arm) for arm in arms},
        "problems": [*gathered.problems, *(f"{label}: its resolved recipe cannot be read" for label in unreadable)],
        "notes": list(gathered.notes),
    }


def _about(arm: Arm) -> dict[str, Any]:
    seeds = {str(seed.seed): "finished" if seed.finished else "not finished" for seed in arm.seeds}
    return {"label": arm.label, "run": str(arm.run.path), "variant": arm.variant, "seeds": seeds}


def _metrics(arms: list[Arm]) -> dict[str, dict[str, Any]]:
    """Each measure of result.json: for each arm the mean over its seeds, its interval, and the seeds' own values."""
    found: dict[str, dict[str, Any]] = {}
    for arm in arms:
        _, rows = results(arm.run)
        values = next(row.values for row in rows if row.variant == arm.variant)
        for measure, by_seed in values.items():
            low, high = over_seeds(list(by_seed.values()))
            seeds = {str(seed): value for seed, value in by_seed.items()}
            entry = {"mean": mean(by_seed.values()), "low": low, "high": high, "seeds": seeds}
            found.setdefault(measure, {})[arm.label] = entry
    return found


def over_seeds(values: list[float]) -> tuple[float | None, float | None]:
    """The percentile bootstrap interval (Efron 1979) of the mean of some seeds; none of a single one."""
    if len(values) < 2:
        return None, None
    low, high = interval(_times(len(values), np.random.default_rng(0)) @ values / len(values))
    return float(low), float(high)


def _times(n: int, generator: np.random.Generator) -> Any:
    """How often each of `n` items is drawn in each resample, `[RESAMPLES, n]`."""
    return np.stack(list(resampled(n, generator)))


def _pair(baseline: Arm, other: Arm) -> dict[str, Any]:
    """The differences of one arm to the first over the same validation examples, or why there are none."""
    both = [baseline, other]
    kept = [[seed.examples for seed in arm.seeds if _judged(seed.examples)] for arm in both]
    pair: dict[str, Any] = {"label": other.label, "baseline": baseline.label}
    lacking = [arm.label for arm, seeds in zip(both, kept, strict=True) if not seeds]
    if lacking:
        return pair | {"unpaired": f"no predictions can be read of {' nor of '.join(lacking)}"}
    count = min(len(examples) for seeds in kept for examples in seeds)
    first, *rest = [examples for seeds in kept for examples in seeds]
    for i in range(count):
        if any((one[i].source, one[i].target) != (first[i].source, first[i].target) for one in rest):
            return pair | {"unpaired": f"they were validated on other examples: example {i} is not the same"}
    scores = [np.array([[_score(one) for one in examples[:count]] for examples in seeds], float) for seeds in kept]
    sizes = [len(seeds) for seeds in kept]
    found = {name: dict(zip(("value", "low", "high"), values, strict=True)) for name, values in _drawn(*scores).items()}
    over = "examples and seeds" if max(sizes) > 1 else "examples"
    return pair | {"examples": count, "seeds": sizes, "over": over, "differences": found}


def _judged(examples: list[Example]) -> bool:
    return bool(examples) and all(one.predicted is not None for one in examples)


def _score(one: Example) -> tuple[float, float, float]:
    """Whether it is wholly right, its right tokens, and its tokens."""
    right = sum(a == b for a, b in zip(one.predicted or [], one.target, strict=False))
    return float(bool(one.exact)), float(right), float(len(one.target))


def _drawn(baseline: Any, other: Any) -> dict[str, tuple[float, float, float]]:
    """Other less baseline, `[seeds, examples, 3]` each, with the interval of a paired bootstrap in two levels.

    The seeds of each arm are drawn, and examples, the same for both arms (Efron & Tibshirani 1993, chapter 8).
    """
    generator = np.random.default_rng(0)
    count = baseline.shape[1]
    chosen = _times(count, generator)
    value, sampled = [], []
    for scores in (other, baseline):
        seeds = len(scores)
        times = _times(seeds, generator) / seeds
        exact, right, tokens = np.moveaxis(scores, 2, 0)
        value.append((exact.mean(), right.mean(0).sum() / max(1, tokens[0].sum())))
        per = np.maximum(1, chosen @ tokens[0])
        sampled.append((((times @ exact) * chosen).sum(1) / count, ((times @ right) * chosen).sum(1) / per))
    found = {}
    for i, name in enumerate(("exact_match", "token_accuracy")):
        low, high = interval(sampled[0][i] - sampled[1][i])
        found[name] = (float(value[0][i] - value[1][i]), float(low), float(high))
    return found


def _cost(arm: Arm) -> dict[str, Any]:
    _, rows = costs(arm.run)
    row = next(row for row in rows if row.variant == arm.variant)
    paces = row.milliseconds
    return {
        "parameters": row.parameters,
        "milliseconds_per_step": mean(paces) if paces else None,
        "seconds": mean(row.seconds) if row.seconds else None,
    }
