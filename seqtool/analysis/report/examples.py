"""What the kept examples say: accuracy by length and mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass

from seqtool.analysis.report.packing import cut, right_symbols
from seqtool.runs.contents import Example, Seed
from seqtool.statistics.length_groups import LengthGroups

MISTAKES = 8
"""So many wrong predictions of a variant are shown."""
SHOWN = 80
"""So many symbols of each are."""
CHARACTERS = 60
"""So many characters of a symbol are."""


@dataclass(frozen=True)
class Length:
    """The examples of one variant whose targets have `shortest` to `longest` symbols; shares over its seeds."""

    shortest: int
    longest: int
    examples: int
    exact: list[float]
    symbols: list[float]

    @property
    def label(self) -> str:
        """Its range of lengths."""
        return str(self.shortest) if self.shortest == self.longest else f"{self.shortest} to {self.longest}"


def by_length(variants: dict[str, list[Seed]]) -> dict[str, list[Length]]:
    """For each variant its groups of target lengths, the same ones for all, with a share for each seed."""
    known = {name: [known for seed in seeds if (known := _known(seed))] for name, seeds in variants.items()}
    lengths = sorted({len(one.target) for seeds in known.values() for seed in seeds for one in seed})
    if not lengths:
        return {}
    grouping = LengthGroups.of(lengths)
    groups: dict[int, list[int]] = {}
    for length in lengths:
        groups.setdefault(grouping.number(length), []).append(length)
    found = {}
    for name, seeds in known.items():
        rows = [_length(group, seeds) for group in groups.values()]
        found[name] = [row for row in rows if row.examples]
    return {name: rows for name, rows in found.items() if rows}


def _known(seed: Seed) -> list[Example]:
    return [one for one in seed.examples if one.exact is not None]


def _length(group: list[int], seeds: list[list[Example]]) -> Length:
    chosen = [here for seed in seeds if (here := [one for one in seed if len(one.target) in group])]
    exact = [sum(bool(one.exact) for one in here) / len(here) for here in chosen]
    symbols = [_share(sum(map(_right, here)), sum(len(one.target) for one in here)) for here in chosen]
    return Length(group[0], group[-1], max(map(len, chosen), default=0), exact, symbols)


def _right(example: Example) -> int:
    """How many symbols stand right where they should."""
    return sum(one == other for one, other in zip(example.target, example.predicted or (), strict=False))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


@dataclass(frozen=True)
class Mistake:
    """A wrong prediction: which example of which seed, and its symbols with whether they are right."""

    seed: int
    number: int
    source: list[str]
    target: list[str]
    predicted: list[tuple[str, bool]]
    lengths: tuple[int, int, int]
    looked: bool


def mistakes(seeds: Sequence[Seed]) -> tuple[list[Mistake], int, int]:
    """Some wrong predictions, the seeds in turn; how many there are; among how many."""
    wrong = [[(i, one) for i, one in enumerate(seed.examples) if one.exact is False] for seed in seeds]
    total = sum(len(_known(seed)) for seed in seeds)
    taken: list[Mistake] = []
    for turn in range(MISTAKES):
        for seed, here in zip(seeds, wrong, strict=True):
            if turn < len(here) and len(taken) < MISTAKES:
                taken.append(_mistake(seed, *here[turn]))
    return taken, sum(map(len, wrong)), total


def _mistake(seed: Seed, number: int, example: Example) -> Mistake:
    predicted = example.predicted or []
    right = right_symbols(example.target, predicted)
    return Mistake(
        seed.seed,
        number,
        [cut(symbol, CHARACTERS) for symbol in example.source[:SHOWN]],
        [cut(symbol, CHARACTERS) for symbol in example.target[:SHOWN]],
        [(cut(symbol, CHARACTERS), here) for symbol, here in list(zip(predicted, right, strict=True))[:SHOWN]],
        (len(example.source), len(example.target), len(predicted)),
        seed.looks is not None,
    )
