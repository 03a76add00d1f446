"""Attention: scores, attention weights and context."""

from collections.abc import Callable

from seqtool.equations.vectors import Matrix, Vector, concatenate, times

Attend = Callable[[Vector], tuple[Vector, Vector]]
"""query -> (context, weights), over a fixed memory."""


def context(weights: Vector, memory: Matrix, size: int) -> Vector:
    """c = sum_j a_j h_j, a vector of `size` numbers; zeros for an empty memory

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
    """head_n = attend_n(n-th parts of Q s, K h_j and V h_j);  c = O [head_1; ...; head_N]

    Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2, for any scorer. Returns (c, weights of each head).
    """
    projected = times(query, s)
    keys, values = ([times(matrix, h) for h in memory] for matrix in (key, value))
    contexts, weights = [], []
    for n, attend_n in enumerate(attends):
        head_keys, head_values = ([part(x, n, len(attends)) for x in both] for both in (keys, values))
        head_context, head_weights = attend_n(part(projected, n, len(attends)), head_keys, head_values)
        contexts.append(head_context)
        weights.append(head_weights)
    return times(output, concatenate(*contexts)), weights


def part(x: Vector, n: int, count: int) -> Vector:
    """The n-th of `count` equal parts of a vector."""
    width = len(x) // count
    return x[n * width : (n + 1) * width]
