"""Tables of a comparison: recipes, metrics with intervals, paired differences of predictions, cost."""

from statistics import mean
from typing import Any

import numpy as np

from seqtool.analysis.compare.pooling import ComparedVariant
from seqtool.analysis.compare.variants import ComparedVariants
from seqtool.analysis.report.cost import costs
from seqtool.analysis.report.recipe_differences import differences
from seqtool.analysis.report.results import results
from seqtool.runs.contents import Example
from seqtool.statistics.bootstrap import described, interval, resampled


def comparison(compared: ComparedVariants) -> dict[str, Any]:
    """All tables as plain data; docs/seeing.md documents the keys of `compare.json`."""
    variants = compared.variants
    recipe, unreadable = differences({variant.label: variant.run.resolved[variant.name] for variant in variants})
    return {
        "variants": [_summary(variant) for variant in variants],
        "recipe": dict(recipe),
        "metrics": _metrics(variants),
        "bootstrap": described(0) | {"baseline": variants[0].label},
        "pairs": [_pair(variants[0], other) for other in variants[1:]],
        "cost": {variant.label: _cost(variant) for variant in variants},
        "problems": [*compared.problems, *(f"{label}: its resolved recipe cannot be read" for label in unreadable)],
        "notes": list(compared.notes),
    }


def _summary(variant: ComparedVariant) -> dict[str, Any]:
    seeds = {str(seed.seed): "finished" if seed.finished else "not finished" for seed in variant.seeds}
    runs = [str(path) for path in variant.folders]
    return {"label": variant.label, "run": runs[0], "runs": runs, "variant": variant.name, "seeds": seeds}


def _metrics(variants: list[ComparedVariant]) -> dict[str, dict[str, Any]]:
    """Measure of result.json -> label -> mean over seeds, its interval, and the value of each seed."""
    found: dict[str, dict[str, Any]] = {}
    for variant in variants:
        _, rows = results(variant.run)
        values = next(row.values for row in rows if row.variant == variant.name)
        for measure, by_seed in values.items():
            low, high = over_seeds(list(by_seed.values()))
            seeds = {str(seed): value for seed, value in by_seed.items()}
            entry = {"mean": mean(by_seed.values()), "low": low, "high": high, "seeds": seeds}
            found.setdefault(measure, {})[variant.label] = entry
    return found


def over_seeds(values: list[float]) -> tuple[float | None, float | None]:
    """The percentile bootstrap interval (Efron 1979) of the mean over seeds; `(None, None)` for one seed."""
    if len(values) < 2:
        return None, None
    low, high = interval(_times(len(values), np.random.default_rng(0)) @ values / len(values))
    return float(low), float(high)


def _times(n: int, generator: np.random.Generator) -> Any:
    """How often each of `n` items is drawn in each resample, `[RESAMPLES, n]`."""
    return np.stack(list(resampled(n, generator)))


def _pair(baseline: ComparedVariant, other: ComparedVariant) -> dict[str, Any]:
    """The differences of a variant to the baseline on the same validation examples, or why there are none."""
    both = [baseline, other]
    kept = [[seed.examples for seed in variant.seeds if _judged(seed.examples)] for variant in both]
    pair: dict[str, Any] = {"label": other.label, "baseline": baseline.label}
    lacking = [variant.label for variant, seeds in zip(both, kept, strict=True) if not seeds]
    if lacking:
        return pair | {"unpaired": f"the predictions of {' and '.join(lacking)} cannot be read"}
    count = min(len(examples) for seeds in kept for examples in seeds)
    first, *rest = [examples for seeds in kept for examples in seeds]
    for i in range(count):
        if any((one[i].source, one[i].target) != (first[i].source, first[i].target) for one in rest):
            return pair | {"unpaired": f"their validation examples differ: example {i} is not the same"}
    scores = [np.array([[_score(one) for one in examples[:count]] for examples in seeds], float) for seeds in kept]
    sizes = [len(seeds) for seeds in kept]
    over = "examples and seeds" if max(sizes) > 1 else "examples"
    return pair | {"examples": count, "seeds": sizes, "over": over, "differences": _differences(*scores)}


def _judged(examples: list[Example]) -> bool:
    return bool(examples) and all(one.predicted is not None for one in examples)


def _score(one: Example) -> tuple[float, float, float]:
    """Exact match, number of correct tokens, number of tokens."""
    correct, tokens = one.accuracy
    return float(bool(one.exact)), float(correct), float(tokens)


def _differences(baseline: Any, other: Any) -> dict[str, dict[str, float]]:
    """`other - baseline`, of scores `[seeds, examples, 3]`, with the interval of a two-level paired bootstrap.

    Each resample draws seeds for each variant, and the same examples for both (Efron & Tibshirani 1993, chapter 8).
    """
    generator = np.random.default_rng(0)
    count = baseline.shape[1]
    chosen = _times(count, generator)
    value, sampled = [], []
    for scores in (other, baseline):
        seeds = len(scores)
        times = _times(seeds, generator) / seeds
        exact, correct, tokens = np.moveaxis(scores, 2, 0)
        value.append((exact.mean(), correct.sum() / max(1, tokens.sum())))
        exact, correct, tokens = (((times @ sums) * chosen).sum(1) for sums in (exact, correct, tokens))
        sampled.append((exact / count, correct / np.where(tokens > 0, tokens, 1)))
    found = {}
    for i, name in enumerate(("exact_match", "token_accuracy")):
        low, high = interval(sampled[0][i] - sampled[1][i])
        found[name] = {"value": float(value[0][i] - value[1][i]), "low": float(low), "high": float(high)}
    return found


def _cost(variant: ComparedVariant) -> dict[str, Any]:
    _, rows = costs(variant.run)
    row = next(row for row in rows if row.variant == variant.name)
    paces = row.milliseconds
    return {
        "parameters": row.parameters,
        "milliseconds_per_step": mean(paces) if paces else None,
        "seconds": mean(row.seconds) if row.seconds else None,
    }
