"""Worked examples of losses: two target positions."""

import math

from seqtool.equations import loss
from seqtool.equations.example import Example
from seqtool.equations.normalizer import softmax

WEIGHTS = [[0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]


def cross_entropy() -> Example:
    """Without label smoothing, and with s = 0.1."""
    logits, gold = [[2.0, 0.0], [0.0, 1.0]], [0, 0]
    example = Example({"logits": logits, "y": gold, "s": 0.1})
    probabilities = example.show("p", [softmax(row) for row in logits])
    example.show("-log p(y_i)", [-math.log(row[y]) for row, y in zip(probabilities, gold, strict=True)])
    example.show("mean", loss.cross_entropy(logits, gold) / 2)
    return example.result("with label smoothing", loss.cross_entropy(logits, gold, smoothing=0.1) / 2)


def mse() -> Example:
    """Two positions of two values."""
    predicted, gold = [[0.5, 1.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, 0.0]]
    example = Example({"o": predicted, "y": gold})
    errors = [[o - y for o, y in zip(*pair, strict=True)] for pair in zip(predicted, gold, strict=True)]
    example.show("o - y", errors)
    example.show("squared, mean over f", [sum(e * e for e in row) / 2 for row in errors])
    return example.result("L", loss.mse(predicted, gold) / 2)


def coverage() -> Example:
    """The second step attends again to the positions of the first."""
    example = Example({"a": WEIGHTS})
    example.show("cov_1", [0.0] * 3)
    covered = example.show("cov_2", WEIGHTS[0])
    example.show("min(a_2, cov_2)", [min(pair) for pair in zip(WEIGHTS[1], covered, strict=True)])
    return example.result("L", loss.coverage(WEIGHTS) / 2)


def supervised_attention() -> Example:
    """Two steps over three positions; the second step has no gold position."""
    example = Example({"a": WEIGHTS, "g": [1, -1]})
    example.show("-log a at the gold position of step 1", -math.log(WEIGHTS[0][0]))
    return example.result("L", loss.supervised_attention(WEIGHTS, [0, -1]) / 2)


def guided_attention() -> Example:
    """Two steps over three positions, g = 0.2."""
    example = Example({"a": WEIGHTS, "g": 0.2})
    for i in range(2):
        penalties = [1 - math.exp(-((j / 3 - i / 2) ** 2) / (2 * 0.2**2)) for j in range(3)]
        example.show(f"penalty factors of step {i + 1}", penalties)
    return example.result("L", loss.guided_attention(WEIGHTS, width=0.2) / 2)
