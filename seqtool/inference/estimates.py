"""Measures of examples with bootstrap intervals."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtool.inference.scores import Scores
from seqtool.statistics.bootstrap import interval, resampled


@dataclass(frozen=True)
class Estimate:
    """A measure and the bounds of its interval; NaN if it is undefined."""

    value: float
    low: float
    high: float


def estimates(scores: Scores, seed: int) -> dict[str, Estimate]:
    """Every measure of the scores; the resamples are drawn from `seed`."""
    return _estimates(scores, *_resampled_measures(scores, seed))


def differences(scores: Scores, base: Scores, seed: int) -> dict[str, Estimate]:
    """Every measure minus that of `base`, by a paired bootstrap: both have the same examples."""
    (values, drawn), (base_values, base_drawn) = _resampled_measures(scores, seed), _resampled_measures(base, seed)
    return _estimates(scores, values - base_values, drawn - base_drawn)


def corpus_estimate(rows: Any, measure: Callable[[Any], float], seed: int) -> Estimate:
    """A measure that is computed from sums over examples, as BLEU is (Koehn 2004, W04-3250).

    Args:
        rows: the statistics of each example, `[n, k]`. measure: takes their sums, `[k]`; a NaN is not counted.
    """
    drawn = [value for sums in _resampled_sums(rows, seed) if not np.isnan(value := measure(sums))]
    low, high = interval(drawn) if drawn else (np.nan, np.nan)
    return Estimate(measure(rows.sum(0)), float(low), float(high))


def _resampled_measures(scores: Scores, seed: int) -> tuple[Any, Any]:
    """The measures `[M]`, and those of each resample, `[RESAMPLES, M]`."""
    matrix = np.stack([column for pair in scores.fractions().values() for column in pair], 1)
    sums, drawn = matrix.astype(float).sum(0), np.stack(list(_resampled_sums(matrix, seed)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[::2] / sums[1::2], drawn[:, ::2] / drawn[:, 1::2]


def _resampled_sums(rows: Any, seed: int) -> Iterator[Any]:
    """The sums `[k]` of each resample of n rows; equal n and seed give the same resamples."""
    rows = rows.astype(float)
    return (counts @ rows for counts in resampled(len(rows), np.random.default_rng(seed)))


def _estimates(scores: Scores, values: Any, drawn: Any) -> dict[str, Estimate]:
    with np.errstate(invalid="ignore"):
        low, high = interval(drawn)
    return {
        name: Estimate(*map(float, found)) for name, *found in zip(scores.fractions(), values, low, high, strict=True)
    }
