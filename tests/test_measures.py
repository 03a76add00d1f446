"""Edit distances and bootstrap intervals, compared with plain Python and hand computations."""

import math
import random

import numpy as np
import pytest

from seqtool.inference.estimates import estimates
from seqtool.inference.scores import SymbolScores
from seqtool.nn.accepted_targets import edit_distances


def distance(one: list[int], other: list[int]) -> int:
    """Levenshtein distance by its definition, row by row."""
    before = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        now = [i]
        for j, b in enumerate(other, start=1):
            now.append(min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (a != b)))
        before = now
    return before[-1]


def distances(pairs: list[tuple[list[int], list[int]]]) -> list[int]:
    """The same for a batch, padded with symbols that occur in it."""
    sides = []
    for side in zip(*pairs, strict=True):
        width = max(map(len, side))
        sides += [np.array([[*row, *[0] * (width - len(row))] for row in side]).reshape(len(side), width)]
        sides += [np.array([len(row) for row in side])]
    return edit_distances(*sides).tolist()


def test_edit_distances_of_a_batch_equal_those_of_each_pair() -> None:
    draw = random.Random(0)
    sizes = [(draw.randrange(9), draw.randrange(7)) for _ in range(300)]
    pairs = [([draw.randrange(3) for _ in range(a)], [draw.randrange(3) for _ in range(b)]) for a, b in sizes]
    assert distances(pairs) == [distance(one, other) for one, other in pairs]


def test_edit_distances_known_by_hand() -> None:
    words = [("kitten", "sitting"), ("", "abc"), ("abc", ""), ("same", "same"), ("flaw", "lawn")]
    assert distances([([*map(ord, a)], [*map(ord, b)]) for a, b in words]) == [3, 3, 3, 0, 2]


def test_moving_a_block_costs_its_insertion_and_deletion() -> None:
    begin, rest = list(range(40)), list(range(100, 200))
    assert distances([(begin + rest, rest + begin)]) == [80]


def scores(exact: list[int], length: int = 4) -> SymbolScores:
    wrong = 1 - np.array(exact)
    size = np.full(len(exact), length)
    return SymbolScores(size, size + 1, np.array(exact), size + 1 - 2 * wrong, 3 * wrong, np.zeros((len(exact), 0)))


def test_measures_by_hand() -> None:
    found = estimates(scores([1, 1, 1, 0]), seed=0)
    assert {name: one.value for name, one in found.items()} == {
        "exact_match": 3 / 4,
        "token_accuracy": (3 * 5 + 3) / 20,
        "edit_distance": 3 / 4,
        "token_error_rate": 3 / 16,
        "sequence_error_rate": 1 / 4,
    }
    assert all(one.low <= one.value <= one.high for one in found.values())


def test_intervals_are_those_of_the_binomial_distribution() -> None:
    n, p = 200, 0.8
    found = estimates(scores([1] * 160 + [0] * 40), seed=1)["exact_match"]
    below, quantiles = 0.0, []
    for k in range(n + 1):
        below += math.comb(n, k) * p**k * (1 - p) ** (n - k)
        quantiles.append(below)
    for share, end in ((0.025, found.low), (0.975, found.high)):
        assert end == pytest.approx(next(k for k in range(n + 1) if quantiles[k] >= share) / n, abs=0.011)


def test_intervals_depend_only_on_their_seed() -> None:
    some = scores([1, 0] * 30)
    assert estimates(some, 5) == estimates(some, 5)
    assert estimates(some, 5) != estimates(some, 6)


def test_without_any_symbol_there_is_no_error_rate() -> None:
    found = estimates(scores([1, 1], length=0), seed=0)
    assert math.isnan(found["token_error_rate"].value)
    assert found["exact_match"].value == 1
