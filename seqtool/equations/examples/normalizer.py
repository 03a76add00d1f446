"""Normalizers, worked: the scores of one step over three positions."""

import math

from seqtool.equations import normalizer
from seqtool.equations.example import Example
from seqtool.equations.vectors import each

SCORES = [0.0, 1.0, -1.0]


def softmax() -> Example:
    """Shares of powers of e."""
    example = Example({"e": SCORES})
    powers = example.show("exp(e)", each(math.exp, SCORES))
    example.show("their sum", sum(powers))
    return example.result("a", normalizer.softmax(SCORES))


def exp() -> Example:
    """Powers of e as they are."""
    scores = [*SCORES, 100.0]
    example = Example({"e": scores})
    example.show("min(e, 60)", [min(score, 60.0) for score in scores])
    return example.result("a", normalizer.exp(scores))
