"""Scorers: how well each memory position answers a query, before normalising."""

import math
from typing import NamedTuple

from seqtool.equations.vectors import Matrix, Vector, each, inner, plus, times


def additive(s: Vector, memory: Matrix, *, w: Matrix, u: Matrix, b: Vector, v: Vector) -> Vector:
    """e_j = v . tanh(W s + U h_j + b)

    Bahdanau et al. 2015, arXiv 1409.0473, A.1.2; b is ours.
    """
    return [inner(v, each(math.tanh, plus(times(w, s), times(u, h), b))) for h in memory]


def dot(s: Vector, memory: Matrix) -> Vector:
    """e_j = s . h_j

    Luong et al. 2015, arXiv 1508.04025, section 3.1.
    """
    return [inner(s, h) for h in memory]


def scaled_dot(s: Vector, memory: Matrix) -> Vector:
    """e_j = s . h_j / sqrt(d)

    Vaswani et al. 2017, arXiv 1706.03762, eq. 1.
    """
    return [inner(s, h) / math.sqrt(len(s)) for h in memory]


def general(s: Vector, memory: Matrix, *, w: Matrix) -> Vector:
    """e_j = s . W h_j

    Luong et al. 2015, arXiv 1508.04025, section 3.1.
    """
    return [inner(s, times(w, h)) for h in memory]


class Window(NamedTuple):
    """What the query says of K Gaussians: (w^, d^, b^) of each."""

    log_weight: Vector
    log_delta: Vector
    log_beta: Vector


def gmm(window: Window, mu: Vector, length: int) -> tuple[Vector, Vector]:
    """mu' = mu + exp(d^);  e_j = log sum_k exp(w^_k) exp(-exp(b^_k) (j - mu'_k)^2),  j = 1 .. S

    Graves 2013, arXiv 1308.0850, eqs 46-51; V0 of Battenberg et al. 2020, arXiv 1910.10288. Returns (e, mu').
    """
    mu = [mean + math.exp(log_delta) for mean, log_delta in zip(mu, window.log_delta, strict=True)]
    components = list(zip(window.log_weight, window.log_beta, mu, strict=True))
    scores = []
    for j in range(1, length + 1):
        terms = [log_weight - math.exp(log_beta) * (j - mean) ** 2 for log_weight, log_beta, mean in components]
        largest = max(terms)
        scores.append(largest + math.log(sum(math.exp(term - largest) for term in terms)))
    return scores, mu
