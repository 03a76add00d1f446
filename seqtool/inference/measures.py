"""What is measured of predictions, and how sure it is."""

from collections.abc import Callable, Sequence
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
    `bleu`: `[n, k]`, the statistics that BLEU is made of, k = 0 where nobody asks for it.
    """

    length: Any
    tokens: Any
    exact: Any
    right: Any
    edits: Any
    bleu: Any

    def __len__(self) -> int:
        return len(self.length)

    def chosen(self, where: Any) -> "Scores":
        """The examples at `where`, a mask."""
        return Scores(*(values[where] for values in vars(self).values()))

    @classmethod
    def joined(cls, parts: "list[Scores]") -> "Scores":
        """The examples of all parts."""
        return cls(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))


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


def estimates(
    scores: Scores, seed: int, token_name: str = "token", bleu: Callable[[Sequence[float]], float] | None = None
) -> dict[str, Estimate]:
    """All measures with their percentile bootstrap intervals (Efron 1979) over examples, drawn from `seed`.

    Args:
        bleu: BLEU of summed statistics, where it is asked for (Koehn 2004, W04-3250, for its intervals).
    """
    n, asked = len(scores), measures(token_name)
    columns = {"": np.ones(n), "wrong": 1 - scores.exact, **vars(scores)}
    matrix = np.stack([columns[name] for pair in asked.values() for name in pair], 1).astype(float)
    ratios, matrix = matrix.shape[1], np.concatenate([matrix, scores.bleu], 1)
    generator = np.random.default_rng(seed)
    drawn = [np.bincount(generator.integers(n, size=n), minlength=n).astype(float) @ matrix for _ in range(RESAMPLES)]
    sums = np.stack([matrix.sum(0), *drawn])
    with np.errstate(invalid="ignore", divide="ignore"):
        found = list((sums[:, :ratios:2] / sums[:, 1:ratios:2]).T)
    if bleu:
        asked["bleu"] = ("", "")
        found.append(np.array([bleu(row) for row in sums[:, ratios:].round().tolist()]))
    tail = 50 * (1 - CONFIDENCE)
    ends = [np.percentile(row[1:], [tail, 100 - tail]) for row in found]
    return {name: Estimate(float(row[0]), *map(float, end)) for name, row, end in zip(asked, found, ends, strict=True)}
