"""What is measured of predictions, and how sure it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqtool.statistics.bootstrap import interval, resampled


@dataclass(frozen=True)
class Scores:
    """Sums of each of n examples, all `[n]`.

    `length`: symbols of the target, the end symbol left out; `tokens`: with it. `exact`: 1 where all of it is right.
    `right`: tokens that stand where they should. `edits`: symbols to insert, delete or replace, the end left out.
    `bleu`: `[n, k]`, the statistics that BLEU is made of, k = 0 where nobody asks for it. `token_name`: see `Task`.
    """

    length: Any
    tokens: Any
    exact: Any
    right: Any
    edits: Any
    bleu: Any
    token_name: str = "token"

    def __len__(self) -> int:
        return len(self.length)

    def chosen(self, where: Any) -> "Scores":
        """The examples at `where`, a mask."""
        return replace(self, **{name: getattr(self, name)[where] for name in _COLUMNS})

    def fractions(self) -> dict[str, tuple[Any, Any]]:
        """For each measure what is summed, over the sum of what, both `[n]`."""
        columns = {"": np.ones(len(self)), "wrong": 1 - self.exact, **vars(self)}
        return {name: (columns[above], columns[below]) for name, (above, below) in measures(self.token_name).items()}

    @classmethod
    def joined(cls, parts: "list[Scores]") -> "Scores":
        """The examples of all parts."""
        columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
        return replace(parts[0], **columns)


_COLUMNS = ("length", "tokens", "exact", "right", "edits", "bleu")


def measures(token_name: str) -> dict[str, tuple[str, str]]:
    """Each measure: what is summed, over the sum of what; over the number of examples where nothing is named."""
    return {
        "exact_match": ("exact", ""),
        "token_accuracy": ("right", "tokens"),
        "edit_distance": ("edits", ""),
        f"{token_name}_error_rate": ("edits", "length"),
        "sequence_error_rate": ("wrong", ""),
    }


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


def corpus_estimate(statistics: Any, measure: Callable[[Sequence[float]], float], seed: int) -> Estimate:
    """A measure of summed statistics, `[n, k]`, with its interval over examples (Koehn 2004, W04-3250, for BLEU)."""
    drawn = [measure(sums.tolist()) for sums in _drawn(statistics, seed)]
    return Estimate(measure(statistics.sum(0).tolist()), *map(float, interval(drawn)))


def changes(scores: Scores | ValueScores, base: Scores | ValueScores, seed: int) -> dict[str, Estimate]:
    """How much each measure of the same examples is above `base`'s, resampled in pairs: the same examples of both."""
    (values, drawn), (base_values, base_drawn) = _resampled(scores, seed), _resampled(base, seed)
    return _intervals(scores, values - base_values, drawn - base_drawn)


def _resampled(scores: Scores | ValueScores, seed: int) -> tuple[Any, Any]:
    """The measures `[M]`, and those of examples drawn again and again, `[RESAMPLES, M]`; equal for equal n and seed."""
    matrix = np.stack([column for pair in scores.fractions().values() for column in pair], 1)
    sums, all_drawn = matrix.astype(float).sum(0), np.stack(list(_drawn(matrix, seed)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[::2] / sums[1::2], all_drawn[:, ::2] / all_drawn[:, 1::2]


def _drawn(matrix: Any, seed: int) -> Iterator[Any]:
    """Sums over rows drawn again and again, as many as there are; the same rows for equal numbers of them and seeds."""
    matrix = matrix.astype(float)
    return (times @ matrix for times in resampled(len(matrix), np.random.default_rng(seed)))


def _intervals(scores: Scores | ValueScores, values: Any, drawn: Any) -> dict[str, Estimate]:
    with np.errstate(invalid="ignore"):
        low, high = interval(drawn)
    return {
        name: Estimate(*map(float, found)) for name, *found in zip(scores.fractions(), values, low, high, strict=True)
    }


def ratios(rows: Any, compute: Callable[[Tensor], float], seed: int) -> Estimate:
    """A metric of `rows [n, 2]`, sums of each example, with the interval of the same bootstrap over examples.

    Args:
        compute: the metric of summed sums, `[2]`.
    """
    known = [value for sums in _drawn(rows, seed) if not np.isnan(value := compute(torch.from_numpy(sums)))]
    low, high = interval(known) if known else (np.nan, np.nan)
    return Estimate(compute(torch.from_numpy(rows.sum(0))), float(low), float(high))
