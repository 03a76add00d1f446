"""Bootstrap intervals compared with all possible resamples, and groups of lengths by hand."""

import itertools
from collections import Counter

import numpy as np
import pytest

from seqtool.statistics.bootstrap import RESAMPLES, interval, resampled
from seqtool.statistics.length_groups import LengthGroups
from seqtool.statistics.number_text import number_text


def test_resamples_are_draws_with_replacement() -> None:
    drawn = [tuple(times) for times in resampled(3, np.random.default_rng(0))]
    chance = Counter(tuple(draws.count(i) for i in range(3)) for draws in itertools.product(range(3), repeat=3))
    assert len(drawn) == RESAMPLES
    for times, count in Counter(drawn).items():
        assert count / RESAMPLES == pytest.approx(chance[times] / 27, abs=0.05)
    assert set(drawn) == set(chance)


def test_an_interval_excludes_a_fortieth_at_each_end() -> None:
    values = np.arange(41.0)
    assert interval(values) == pytest.approx((1, 39))
    low, high = interval(np.stack([values, -values], 1))
    assert [*low, *high] == pytest.approx([1, -39, 39, -1])


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.25, 4, "0.2500"),
        (-12.3456, 2, "-12.35"),
        (999_999.5, 1, "999999.5"),
        (2.5e30, 4, "2.5e+30"),
        (-1e300, 1, "-1e+300"),
        (float("inf"), 4, "inf"),
        (float("nan"), 4, "nan"),
    ],
)
def test_a_large_number_has_an_exponent_instead_of_many_digits(value: float, decimals: int, text: str) -> None:
    assert number_text(value, decimals) == text
    assert number_text(value, decimals, sign=True).lstrip("+") == text


def test_up_to_ten_lengths_have_one_group_each() -> None:
    groups = LengthGroups.of([7, 3, 12, 3])
    assert [groups.number(length) for length in (3, 7, 12)] == [0, 4, 9]
    assert [groups.middle(groups.number(length)) for length in (3, 7, 12)] == [3, 7, 12]


def test_more_lengths_share_ten_groups() -> None:
    groups = LengthGroups.of(range(3, 28))  # 25 lengths: 3 in each group
    assert groups.number(np.array([3, 5, 6, 27])).tolist() == [0, 0, 1, 8]
    assert [groups.middle(0), groups.middle(8)] == [4, 28]
