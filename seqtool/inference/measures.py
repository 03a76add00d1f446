"""What is measured of predictions, and how sure it is.

torchmetrics has an edit distance, which looks at a band of 25 places beside the diagonal alone and so is too large for
longer moves; this one is exact, and works on a whole batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scores:
    """Sums of each of n examples, all `[n]`.

    `length`: symbols of the target, the end symbol left out; `tokens`: with it. `exact`: 1 where all of it is right.
    `right`: tokens that stand where they should. `edits`: symbols to insert, delete or replace, the end left out.
    """

    length: Any
    tokens: Any
    exact: Any
    right: Any
    edits: Any

    def __len__(self) -> int:
        return len(self.length)

    def chosen(self, where: Any) -> "Scores":
        """The examples at `where`, a mask."""
        return Scores(*(values[where] for values in vars(self).values()))

    @classmethod
    def joined(cls, parts: "list[Scores]") -> "Scores":
        """The examples of all parts."""
        return cls(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))


MEASURES = {
    "exact_match": ("exact", ""),
    "token_accuracy": ("right", "tokens"),
    "edit_distance": ("edits", ""),
    "token_error_rate": ("edits", "length"),
}
"""Each measure: what is summed, over the sum of what; over the number of examples where nothing is named."""


@dataclass(frozen=True)
class Estimate:
    """A measure of some examples, with the interval that it falls into by the bootstrap; NaN where there is nothing."""

    value: float
    low: float
    high: float


def estimates(scores: Scores, seed: int) -> dict[str, Estimate]:
    """All measures with their percentile bootstrap intervals (Efron 1979) over examples, drawn from `seed`."""
    n = len(scores)
    columns = {"": np.ones(n), **vars(scores)}
    matrix = np.stack([columns[name] for pair in MEASURES.values() for name in pair], 1).astype(float)
    generator = np.random.default_rng(seed)
    drawn = [np.bincount(generator.integers(n, size=n), minlength=n).astype(float) @ matrix for _ in range(RESAMPLES)]
    with np.errstate(invalid="ignore", divide="ignore"):
        sums, all_drawn = matrix.sum(0), np.stack(drawn)
        values, resampled = sums[::2] / sums[1::2], all_drawn[:, ::2] / all_drawn[:, 1::2]
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(resampled, [tail, 100 - tail], axis=0)
    return {name: Estimate(*map(float, found)) for name, *found in zip(MEASURES, values, low, high, strict=True)}


def ratios(rows: Any, compute: Callable[[Any], float], seed: int) -> Estimate:
    """A metric of `rows [n, 2]`, sums of each example, with the interval of the same bootstrap over examples.

    Args:
        compute: the metric of summed sums, `[2]`.
    """
    n, generator = len(rows), np.random.default_rng(seed)
    drawn = [np.bincount(generator.integers(n, size=n), minlength=n).astype(float) @ rows for _ in range(RESAMPLES)]
    tail = 50 * (1 - CONFIDENCE)
    known = [value for sums in drawn if not np.isnan(value := compute(sums))]
    low, high = np.percentile(known, [tail, 100 - tail]) if known else (np.nan, np.nan)
    return Estimate(compute(rows.sum(0)), float(low), float(high))


def edit_distances(written: Any, written_length: Any, gold: Any, gold_length: Any) -> Any:
    """The fewest insertions, deletions and substitutions (Levenshtein 1966) that lead from one to the other, `[B]`.

    Args:
        written, gold: ids `[B, T1]` and `[B, T2]`. written_length, gold_length: how many of each row count, `[B]`.
    """
    rows, place = np.arange(len(gold)), np.arange(gold.shape[1] + 1)
    before = np.tile(place, (len(gold), 1))  # from no symbol to the first j
    found = before[rows, gold_length]
    for i in range(1, written.shape[1] + 1):
        now = np.full_like(before, i)
        now[:, 1:] = np.minimum(before[:, 1:] + 1, before[:, :-1] + (written[:, i - 1 : i] != gold))
        before = np.minimum.accumulate(now - place, axis=1) + place  # then any insertions
        found = np.where(written_length == i, before[rows, gold_length], found)
    return found
