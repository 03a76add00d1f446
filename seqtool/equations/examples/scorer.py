"""Scorers, worked: one query over three memory vectors."""

import math

from seqtool.equations import scorer
from seqtool.equations.example import Example
from seqtool.equations.vectors import each, inner, plus, times

S = [1.0, -0.5]
MEMORY = [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]
SQUARE = [[0.5, 0.0], [1.0, -1.0]]


def additive() -> Example:
    """Bahdanau's."""
    u, b, v = [[1.0, 0.0], [0.0, 2.0]], [0.0, 0.1], [1.0, -1.0]
    example = Example({"s": S, "h": MEMORY, "W": SQUARE, "U": u, "b": b, "v": v})
    asked = example.show("W s", times(SQUARE, S))
    for j, h in enumerate(MEMORY, 1):
        key = example.show(f"U h_{j} + b", plus(times(u, h), b))
        example.show(f"tanh(W s + U h_{j} + b)", each(math.tanh, plus(asked, key)))
    return example.result("e", scorer.additive(S, MEMORY, w=SQUARE, u=u, b=b, v=v))


def dot() -> Example:
    """Luong's."""
    example = Example({"s": S, "h": MEMORY})
    return example.result("e_j = s . h_j", scorer.dot(S, MEMORY))


def scaled_dot() -> Example:
    """Vaswani's."""
    example = Example({"s": S, "h": MEMORY})
    example.show("s . h_j", [inner(S, h) for h in MEMORY])
    example.show("sqrt(d)", math.sqrt(len(S)))
    return example.result("e", scorer.scaled_dot(S, MEMORY))


def general() -> Example:
    """Luong's, between spaces of two sizes."""
    example = Example({"s": S, "h": MEMORY, "W": SQUARE})
    for j, h in enumerate(MEMORY, 1):
        example.show(f"W h_{j}", times(SQUARE, h))
    return example.result("e", scorer.general(S, MEMORY, w=SQUARE))


def gmm() -> Example:
    """Graves' window of two Gaussians over four positions."""
    window, mu = scorer.Window([0.0, -1.0], [0.0, 0.7], [0.0, -0.7]), [1.0, 0.5]
    example = Example({"w^": window.weight, "d^": window.delta, "b^": window.width, "mu": mu})
    example.show("exp(d^)", each(math.exp, window.delta))
    example.show("exp(b^)", each(math.exp, window.width))
    scores, moved = scorer.gmm(window, mu, 4)
    example.show("mu' = mu + exp(d^)", moved)
    example.show("exp(w^)", each(math.exp, window.weight))
    example.show("e", scores)
    return example.result("exp(e), the weights of `exp`", each(math.exp, scores))
