"""Losses of one example: sums over its T target positions, not yet divided by T."""

import math

from seqtool.equations.vectors import Matrix, inner


def cross_entropy(logits: Matrix, gold: list[int], *, smoothing: float = 0.0) -> float:
    """sum_i sum_y -q_i(y) log p_i(y);  q_i = 1 - s + s / V at the gold symbol, s / V elsewhere

    Szegedy et al. 2016, arXiv 1512.00567, section 7.
    """
    total = 0.0
    for row, symbol in zip(logits, gold, strict=True):
        largest = max(row)
        normalizer = largest + math.log(sum(math.exp(logit - largest) for logit in row))
        q = [smoothing / len(row) + (1 - smoothing) * (y == symbol) for y in range(len(row))]
        total += inner(q, [normalizer - logit for logit in row])
    return total


def mse(predicted: Matrix, gold: Matrix) -> float:
    """sum_i sum_f (o_if - y_if)^2 / F

    Raffel & Ellis 2015, arXiv 1512.08756, section 3.
    """
    pairs = zip(predicted, gold, strict=True)
    return sum(sum((o - y) ** 2 for o, y in zip(*pair, strict=True)) / len(pair[1]) for pair in pairs)


def coverage(weights: Matrix) -> float:
    """sum_i sum_j min(a_ij, cov_ij),  cov_ij = a_1j + ... + a_{i-1,j}

    See et al. 2017, arXiv 1704.04368, eqs 10-12. `weights` is [T, S].
    """
    total, covered = 0.0, [0.0] * len(weights[0])
    for row in weights:
        total += sum(min(a, before) for a, before in zip(row, covered, strict=True))
        covered = [a + before for a, before in zip(row, covered, strict=True)]
    return total


def supervised_attention(weights: Matrix, positions: list[int]) -> float:
    """sum_i -log a_{i g_i},  over all i with a gold source position g_i, which is not -1

    Mi et al. 2016, arXiv 1608.00112, section 3. `weights` is [T, S].
    """
    return sum(-math.log(row[g]) for row, g in zip(weights, positions, strict=True) if g >= 0)


def guided_attention(weights: Matrix, *, width: float) -> float:
    """sum_i sum_j a_ij (1 - exp(-((j - 1) / S - (i - 1) / T)^2 / (2 g^2)))

    Tachibana et al. 2018, arXiv 1710.08969, section 4.1. `weights` is [T, S].
    """
    total = 0.0
    for i, row in enumerate(weights):
        for j, a in enumerate(row):
            distance = j / len(row) - i / len(weights)
            total += a * (1 - math.exp(-(distance**2) / (2 * width**2)))
    return total
