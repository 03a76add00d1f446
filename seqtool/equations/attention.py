"""Attention: a scorer, a normalizer, and the context they pick."""

from collections.abc import Callable

from seqtool.equations.vectors import Matrix, Vector, joined, times

Attend = Callable[[Vector], tuple[Vector, Vector]]
"""query -> (context, weights), over a memory that it knows."""


def context(weights: Vector, memory: Matrix, size: int) -> Vector:
    """c = sum_j a_j h_j, of `size` numbers; zeros over no memory at all

    Bahdanau et al. 2015, arXiv 1409.0473, eq. 5.
    """
    return [sum(a * h[i] for a, h in zip(weights, memory, strict=True)) for i in range(size)]


def attend(
    scorer: Callable[[Vector, Matrix], Vector],
    normalizer: Callable[[Vector], Vector],
    s: Vector,
    keys: Matrix,
    values: Matrix,
    size: int,
) -> tuple[Vector, Vector]:
    """e = scorer(s, keys);  a = normalizer(e);  c = sum_j a_j values_j. Returns (c, a)."""
    weights = normalizer(scorer(s, keys))
    return context(weights, values, size), weights


def heads(
    attends: list[Callable[[Vector, Matrix, Matrix], tuple[Vector, Vector]]],
    s: Vector,
    memory: Matrix,
    *,
    query: Matrix,
    key: Matrix,
    value: Matrix,
    output: Matrix,
) -> tuple[Vector, Matrix]:
    """head_n = attend_n(n-th part of Q s, of K h_j, of V h_j);  c = O [head_1; ...; head_N]

    Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2, with any scorer. Returns (c, weights of each head).
    """
    asked = times(query, s)
    keys, values = ([times(matrix, h) for h in memory] for matrix in (key, value))
    contexts, weights = [], []
    for n, attend_n in enumerate(attends):
        mine = [part(x, n, len(attends)) for x in keys], [part(x, n, len(attends)) for x in values]
        one_context, one_weights = attend_n(part(asked, n, len(attends)), *mine)
        contexts.append(one_context)
        weights.append(one_weights)
    return times(output, joined(*contexts)), weights


def part(x: Vector, n: int, count: int) -> Vector:
    """The n-th of `count` equal parts of a vector."""
    width = len(x) // count
    return x[n * width : (n + 1) * width]
