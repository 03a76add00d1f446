"""Accuracy by target length, and mistakes, in the kept validation examples."""

from collections.abc import Sequence
from dataclasses import dataclass

from seqtool.analysis.report.packing import right_symbols, truncate
from seqtool.runs.contents import Example, Seed
from seqtool.statistics.length_groups import LengthGroups

MAX_MISTAKES = 200
"""Maximum number of mistakes per variant."""
MAX_SYMBOLS = 80
"""Maximum number of symbols of a sequence."""
MAX_CHARACTERS = 60
"""Maximum number of characters of a symbol."""


@dataclass(frozen=True)
class LengthAccuracy:
    """Sequence and symbol accuracy of each seed over targets of `shortest` to `longest` symbols."""

    shortest: int
    longest: int
    examples: int
    exact: list[float]
    symbols: list[float]

    @property
    def label(self) -> str:
        """The range of lengths."""
        return str(self.shortest) if self.shortest == self.longest else f"{self.shortest} to {self.longest}"


def by_length(variants: dict[str, list[Seed]]) -> dict[str, list[LengthAccuracy]]:
    """Variant -> accuracy for each group of target lengths; the groups are the same for all variants."""
    known = {name: [known for seed in seeds if (known := _judged(seed))] for name, seeds in variants.items()}
    lengths = sorted({len(one.target) for seeds in known.values() for seed in seeds for one in seed})
    if not lengths:
        return {}
    grouping = LengthGroups.of(lengths)
    groups: dict[int, list[int]] = {}
    for length in lengths:
        groups.setdefault(grouping.number(length), []).append(length)
    found = {}
    for name, seeds in known.items():
        rows = [_accuracy(group, seeds) for group in groups.values()]
        found[name] = [row for row in rows if row.examples]
    return {name: rows for name, rows in found.items() if rows}


def _judged(seed: Seed) -> list[Example]:
    return [one for one in seed.examples if one.exact is not None]


def _accuracy(group: list[int], seeds: list[list[Example]]) -> LengthAccuracy:
    chosen = [here for seed in seeds if (here := [one for one in seed if len(one.target) in group])]
    exact = [sum(bool(one.exact) for one in here) / len(here) for here in chosen]
    symbols = [_token_accuracy(here) for here in chosen]
    return LengthAccuracy(group[0], group[-1], max(map(len, chosen), default=0), exact, symbols)


def _token_accuracy(examples: list[Example]) -> float:
    correct, tokens = (sum(counts) for counts in zip(*(one.accuracy for one in examples), strict=True))
    return correct / tokens if tokens else 1.0


@dataclass(frozen=True)
class Mistake:
    """A wrong prediction. `predicted` pairs each symbol with whether it is correct; `lengths` are before truncation."""

    seed: int
    number: int
    source: list[str]
    target: list[str]
    predicted: list[tuple[str, bool]]
    lengths: tuple[int, int, int]
    has_weights: bool


def mistakes(seeds: Sequence[Seed]) -> tuple[list[Mistake], int, int]:
    """The wrong predictions, from the seeds in turn; the number of wrong predictions; the number of examples.

    Of more than `MAX_MISTAKES` wrong predictions, only the first are returned.
    """
    wrong = [[(i, one) for i, one in enumerate(seed.examples) if one.exact is False] for seed in seeds]
    total = sum(len(_judged(seed)) for seed in seeds)
    taken: list[Mistake] = []
    for turn in range(MAX_MISTAKES):
        for seed, here in zip(seeds, wrong, strict=True):
            if turn < len(here) and len(taken) < MAX_MISTAKES:
                taken.append(_mistake(seed, *here[turn]))
    return taken, sum(map(len, wrong)), total


def _mistake(seed: Seed, number: int, example: Example) -> Mistake:
    predicted = example.predicted or []
    right = right_symbols(example.target, predicted)
    return Mistake(
        seed.seed,
        number,
        _truncated(example.source),
        _truncated(example.target),
        list(zip(_truncated(predicted), right[:MAX_SYMBOLS], strict=True)),
        (len(example.source), len(example.target), len(predicted)),
        seed.attention is not None,
    )


def _truncated(symbols: Sequence[str]) -> list[str]:
    return [truncate(symbol, MAX_CHARACTERS) for symbol in symbols[:MAX_SYMBOLS]]
