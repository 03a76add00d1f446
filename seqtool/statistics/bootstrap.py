"""Percentile bootstrap intervals (Efron 1979)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

RESAMPLES = 1000
CONFIDENCE = 0.95


def resampled(n: int, generator: np.random.Generator) -> Iterator[Any]:
    """For each resample, how often each of `n` items is drawn in `n` draws with replacement: `[n]` float64."""
    for _ in range(RESAMPLES):
        yield np.bincount(generator.integers(n, size=n), minlength=n).astype(float)


def interval(drawn: Any) -> tuple[Any, Any]:
    """The lower and the upper end for values of the resamples, `[RESAMPLES, ...]`."""
    low, high = np.percentile(drawn, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)], axis=0)
    return low, high


def described(seed: int) -> dict[str, Any]:
    """How the intervals are computed, for JSON."""
    return {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": seed}
