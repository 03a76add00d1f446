"""Normalizers: scores -> attention weights, of real positions only."""

import math

from seqtool.equations.vectors import Vector, multiply, plus
from seqtool.equations.vectors import sigmoid as logistic


def softmax(e: Vector) -> Vector:
    """a_j = exp(e_j) / sum_k exp(e_k)

    Bahdanau et al. 2015, arXiv 1409.0473, eq. 6. No scores give no weights.
    """
    largest = max(e, default=0.0)
    powers = [math.exp(score - largest) for score in e]
    return [power / sum(powers) for power in powers]


def exp(e: Vector) -> Vector:
    """a_j = exp(min(e_j, 60)), not normalized

    Graves 2013, arXiv 1308.0850, eqs 46-47; the bound of 60 is ours and prevents overflow.
    """
    return [math.exp(min(score, 60.0)) for score in e]


def sigmoid(e: Vector) -> Vector:
    """a_j = 1 / (1 + exp(-e_j))"""
    return [logistic(score) for score in e]


def sparsemax(e: Vector) -> Vector:
    """a_j = max(e_j - tau, 0), tau such that they sum to one: over the k largest, tau = (their sum - 1) / k

    Martins & Astudillo 2016, arXiv 1602.02068, algorithm 1: the largest k whose k-th score is above its tau.
    """
    tau, total = 0.0, 0.0
    for k, score in enumerate(sorted(e, reverse=True), 1):
        total += score
        if score > (total - 1) / k:
            tau = (total - 1) / k
    return [max(score - tau, 0.0) for score in e]


def entmax15(e: Vector) -> Vector:
    """a_j = max(e_j / 2 - tau, 0)^2, tau such that they sum to one

    Peters et al. 2019, arXiv 1905.05702, eq. 10, alpha = 1.5. tau is found by bisection: the sum of the weights falls
    from at least one at tau = max(e) / 2 - 1 to zero at tau = max(e) / 2.
    """

    def weights(tau: float) -> Vector:
        return [max(score / 2 - tau, 0.0) ** 2 for score in e]

    high = max(e, default=0.0) / 2
    low = high - 1
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(weights(middle)) > 1 else (low, middle)
    return weights(low)


def local_m(e: Vector, i: int, *, half_width: int) -> Vector:
    """a_j = softmax of e over |j - p| <= D, 0 elsewhere;  p = min(i, S),  i, j = 1, 2, ...

    Luong et al. 2015, arXiv 1508.04025, section 3.2.
    """
    return inside(e, min(i, len(e)), half_width)


def local_p(e: Vector, p: float, *, half_width: int) -> Vector:
    """a_j = (softmax of e over |j - p| <= D, 0 elsewhere) exp(-(j - p)^2 / (2 (D/2)^2)),  j = 1, 2, ...

    Luong et al. 2015, arXiv 1508.04025, eq. 10; p is a real number, predicted from the query by eq. 9.
    """
    sigma = half_width / 2
    gaussian = [math.exp(-((j - p) ** 2) / (2 * sigma**2)) for j in range(1, len(e) + 1)]
    return multiply(inside(e, p, half_width), gaussian)


def inside(e: Vector, p: float, half_width: int) -> Vector:
    """softmax of e over the positions j = 1, 2, ... with |j - p| <= D, 0 elsewhere"""
    window = [j for j in range(len(e)) if abs(j + 1 - p) <= half_width]
    weights = dict(zip(window, softmax([e[j] for j in window]), strict=True))
    return [weights.get(j, 0.0) for j in range(len(e))]


def monotonic(p: Vector, before: Vector) -> Vector:
    """q_j = (1 - p_{j-1}) q_{j-1} + a_{i-1,j};  a_ij = p_j q_j

    Raffel et al. 2017, arXiv 1704.00784, eqs 13-14. `before` is a_{i-1}, initially one-hot at the first position;
    p = sigma(e + r), or `hard` of it.
    """
    weights, q = [], 0.0
    for j, chance in enumerate(p):
        q = (1 - p[j - 1]) * q + before[j] if j else before[j]
        weights.append(chance * q)
    return weights


def mocha(marginals: Vector, u: Vector, *, width: int) -> Vector:
    """b_j = sum_{k=j}^{j+w-1} a_k exp(u_j) / sum_{l=k-w+1}^{k} exp(u_l), a by `monotonic`

    Chiu & Raffel 2018, arXiv 1712.05382, eq. 13. Sums are over positions within the source.
    """
    weights = [0.0] * len(u)
    for k, marginal in enumerate(marginals):
        first = max(0, k - width + 1)
        for j, part in enumerate(softmax(u[first : k + 1]), first):
            weights[j] += marginal * part
    return weights


def stepwise_monotonic(p: Vector, before: Vector) -> Vector:
    """a_ij = a_{i-1,j} p_j + a_{i-1,j-1} (1 - p_{j-1}), with p = 1 at the last position

    He et al. 2019, arXiv 1906.00672. `before` is a_{i-1}, initially one-hot at the first position; p = sigma(e).
    """
    stay = [*p[:-1], 1.0][: len(p)]
    kept = multiply(before, stay)
    moved = [a * (1 - chance) for a, chance in zip(before, stay, strict=True)]
    return plus(kept, [0.0, *moved][: len(p)])


def forward(e: Vector, before: Vector, *, u: float = 0.5) -> Vector:
    """a_ij ~ ((1 - u) a_{i-1,j} + u a_{i-1,j-1}) softmax(e)_j, normalized to sum to one

    Zhang et al. 2018, arXiv 1807.06736, algorithms 1 (u = 1/2) and 2. `before` is a_{i-1}, initially one-hot.
    """
    reached = [(1 - u) * here + u * behind for here, behind in zip(before, [0.0, *before][: len(e)], strict=True)]
    weights = multiply(reached, softmax(e))
    return [weight / sum(weights) for weight in weights]


def hard(p: Vector) -> Vector:
    """z_j = 1 if p_j > 1/2, else 0

    Raffel et al. 2017, arXiv 1704.00784, section 2.2.
    """
    return [float(chance > 0.5) for chance in p]
