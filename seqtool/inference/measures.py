"""What is measured of predictions, and how sure it is.

torchmetrics has an edit distance, which looks at a band of 25 places beside the diagonal alone and so is too large for
longer moves; this one is exact, and works on a whole batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

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

    def fractions(self) -> dict[str, tuple[Any, Any]]:
        """For each measure what is summed, over the sum of what, both `[n]`."""
        columns = {"": np.ones(len(self)), **vars(self)}
        return {name: (columns[above], columns[below]) for name, (above, below) in MEASURES.items()}

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


@dataclass(frozen=True)
class ValueScores:
    """Sums of each of n examples whose targets are values: `length` is how many positions a target has, `[n]`.

    `sums`: for each measure what is summed, and what it is divided by, `[n, 2]`.
    """

    length: Any
    sums: dict[str, Any]

    def __len__(self) -> int:
        return len(self.length)

    @property
    def tokens(self) -> Any:
        """As many as there are positions: values have no end symbol."""
        return self.length

    def chosen(self, where: Any) -> "ValueScores":
        """The examples at `where`, a mask."""
        return ValueScores(self.length[where], {name: sums[where] for name, sums in self.sums.items()})

    def fractions(self) -> dict[str, tuple[Any, Any]]:
        """See `Scores.fractions`."""
        return {name: (sums[:, 0], sums[:, 1]) for name, sums in self.sums.items()}

    @classmethod
    def joined(cls, parts: "list[ValueScores]") -> "ValueScores":
        """The examples of all parts."""
        sums = {name: np.concatenate([part.sums[name] for part in parts]) for name in parts[0].sums}
        return cls(np.concatenate([part.length for part in parts]), sums)


def estimates(scores: Scores | ValueScores, seed: int) -> dict[str, Estimate]:
    """All measures with their percentile bootstrap intervals (Efron 1979) over examples, drawn from `seed`."""
    return _intervals(scores, *_resampled(scores, seed))


def changes(scores: Scores | ValueScores, base: Scores | ValueScores, seed: int) -> dict[str, Estimate]:
    """How much each measure of the same examples is above `base`'s, resampled in pairs: the same examples of both."""
    (values, drawn), (base_values, base_drawn) = _resampled(scores, seed), _resampled(base, seed)
    return _intervals(scores, values - base_values, drawn - base_drawn)


def _resampled(scores: Scores | ValueScores, seed: int) -> tuple[Any, Any]:
    """The measures `[M]`, and those of examples drawn again and again, `[RESAMPLES, M]`; equal for equal n and seed."""
    n = len(scores)
    matrix = np.stack([column for pair in scores.fractions().values() for column in pair], 1).astype(float)
    generator = np.random.default_rng(seed)
    drawn = [np.bincount(generator.integers(n, size=n), minlength=n).astype(float) @ matrix for _ in range(RESAMPLES)]
    sums, all_drawn = matrix.sum(0), np.stack(drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[::2] / sums[1::2], all_drawn[:, ::2] / all_drawn[:, 1::2]


def _intervals(scores: Scores | ValueScores, values: Any, resampled: Any) -> dict[str, Estimate]:
    tail = 50 * (1 - CONFIDENCE)
    with np.errstate(invalid="ignore"):
        low, high = np.percentile(resampled, [tail, 100 - tail], axis=0)
    return {
        name: Estimate(*map(float, found)) for name, *found in zip(scores.fractions(), values, low, high, strict=True)
    }


def ratios(rows: Any, compute: Callable[[Tensor], float], seed: int) -> Estimate:
    """A metric of `rows [n, 2]`, sums of each example, with the interval of the same bootstrap over examples.

    Args:
        compute: the metric of summed sums, `[2]`.
    """
    n, generator = len(rows), np.random.default_rng(seed)
    drawn = [np.bincount(generator.integers(n, size=n), minlength=n).astype(float) @ rows for _ in range(RESAMPLES)]
    tail = 50 * (1 - CONFIDENCE)
    known = [value for sums in drawn if not np.isnan(value := compute(torch.from_numpy(sums)))]
    low, high = np.percentile(known, [tail, 100 - tail]) if known else (np.nan, np.nan)
    return Estimate(compute(torch.from_numpy(rows.sum(0))), float(low), float(high))


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
