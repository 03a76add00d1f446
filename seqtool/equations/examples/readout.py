"""Worked examples of readouts: two features, three symbols."""

from seqtool.equations import readout
from seqtool.equations.encoder import lrelu
from seqtool.equations.example import Example
from seqtool.equations.vectors import plus, times

FEATURES = [1.0, -2.0]
W, B = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], [0.0, 0.0, 1.0]


def linear() -> Example:
    """One linear map."""
    example = Example({"features": FEATURES, "W": W, "b": B})
    example.show("W features", times(W, FEATURES))
    return example.result("logits", readout.linear(FEATURES, w=W, b=B))


def deep_output() -> Example:
    """Two units, each the maximum of two linear maps."""
    u, c = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, -1.0]]], [[0.0, 0.5], [0.5, 0.0]]
    example = Example({"features": FEATURES, "U_1": u[0], "b_1": c[0], "U_2": u[1], "b_2": c[1], "W": W, "b": B})
    first = example.show("U_1 features + b_1", plus(times(u[0], FEATURES), c[0]))
    second = example.show("U_2 features + b_2", plus(times(u[1], FEATURES), c[1]))
    example.show("t", [max(pair) for pair in zip(first, second, strict=True)])
    return example.result("logits", readout.deep_output(FEATURES, u=u, c=c, w=W, b=B))


def feed_forward() -> Example:
    """Two hidden units, three outputs."""
    hidden, bias = [[1.0, 0.0], [0.0, 1.0]], [0.0, 1.0]
    example = Example({"features": FEATURES, "W": hidden, "b": bias, "V": W, "d": B})
    sums = example.show("W features + b", plus(times(hidden, FEATURES), bias))
    example.show("s", [lrelu(z) for z in sums])
    example.show("V s + d", readout.feed_forward(FEATURES, w=hidden, b=bias, v=W, d=B))
    return example.result("rectified", readout.feed_forward(FEATURES, w=hidden, b=bias, v=W, d=B, rectify=True))
