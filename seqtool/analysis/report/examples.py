"""What the kept examples say: accuracy by length, mistakes, and whether weights lie where the gold alignment does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtool.analysis.report.packing import cut, right_symbols
from seqtool.runs.contents import Example, Seed

GROUPS = 10
"""Up to so many groups of lengths are told apart."""
MISTAKES = 8
"""So many wrong predictions of a variant are shown."""
SHOWN = 80
"""So many symbols of each are."""
CHARACTERS = 60
"""So many characters of a symbol are."""
NEAR = 3
"""Positions from gold that still count as near: a recurrent memory lets a model look a step or two aside."""


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
    width = 1 if len(lengths) <= GROUPS else -(-(lengths[-1] - lengths[0] + 1) // GROUPS)
    groups: dict[int, list[int]] = {}
    for length in lengths:
        groups.setdefault((length - lengths[0]) // width, []).append(length)
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


@dataclass(frozen=True)
class Aim:
    """How near the largest weight of a target symbol lies to its gold position, heads averaged: shares, a seed each.

    `nearest`: of all gold positions of the target, its own is the nearest to the largest weight.
    """

    symbols: int
    exact: list[float]
    near: list[float]
    nearest: list[float]


def aim(seeds: Sequence[Seed]) -> Aim | None:
    """Over the symbols that were written right and have a gold position; None where there are none."""
    found = [counts for seed in seeds if (counts := sum(_aims(seed), np.zeros(4)))[0]]
    if not found:
        return None
    exact, near, nearest = ([float(counts[i] / counts[0]) for counts in found] for i in (1, 2, 3))
    return Aim(int(sum(counts[0] for counts in found)), exact, near, nearest)


def _aims(seed: Seed) -> Iterator[Any]:
    """For each example: symbols, exactly on gold, near it, its own gold position the nearest."""
    if seed.looks is None:
        return
    for row, example in enumerate(seed.examples[: len(seed.looks.weights)]):
        gold, weights = seed.looks.gold[row], seed.looks.weights[row].mean(0)
        memory = int(seed.looks.memory_mask[row].sum())
        if example.predicted is None or example.exact is None or memory != len(example.source):
            continue
        pairs = enumerate(zip(example.target, example.predicted, strict=False))
        steps = [t for t, (one, other) in pairs if one == other and t < len(gold) and 0 <= gold[t] < memory]
        if not steps:
            continue
        largest, own = weights[steps, :memory].argmax(1), gold[steps]
        away = np.abs(largest - own)
        closest = np.abs(largest[:, None] - np.unique(gold[gold >= 0])[None]).min(1)
        yield np.array([len(steps), (away == 0).sum(), (away <= NEAR).sum(), (away == closest).sum()])
