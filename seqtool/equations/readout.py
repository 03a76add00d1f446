"""Readouts: features -> logits."""

from seqtool.equations.encoder import lrelu
from seqtool.equations.vectors import Matrix, Vector, apply, plus, times


def linear(features: Vector, *, w: Matrix, b: Vector) -> Vector:
    """logits = W features + b

    Sutskever et al. 2014, arXiv 1409.3215, section 2.
    """
    return plus(times(w, features), b)


def deep_output(features: Vector, *, u: list[Matrix], c: list[Vector], w: Matrix, b: Vector) -> Vector:
    """t = max_k (U_k features + c_k), element by element;  logits = W t + b

    Bahdanau et al. 2015, arXiv 1409.0473, A.2.2.
    """
    pieces = [plus(times(matrix, features), bias) for matrix, bias in zip(u, c, strict=True)]
    units = [max(unit) for unit in zip(*pieces, strict=True)]
    return plus(times(w, units), b)


def feed_forward(features: Vector, *, w: Matrix, b: Vector, v: Matrix, d: Vector, rectify: bool = False) -> Vector:
    """s = lrelu(W features + b);  logits = V s + d, or lrelu(V s + d)

    Raffel & Ellis 2015, arXiv 1512.08756, section 3.
    """
    logits = plus(times(v, apply(lrelu, plus(times(w, features), b))), d)
    return apply(lrelu, logits) if rectify else logits
