"""Scorers: the score of each memory position for a query, before normalization."""

import math
from typing import NamedTuple

from seqtool.equations.vectors import Matrix, Vector, apply, concatenate, inner, plus, times


def additive(s: Vector, memory: Matrix, *, w: Matrix, u: Matrix, b: Vector, v: Vector) -> Vector:
    """e_j = v . tanh(W s + U h_j + b)

    Bahdanau et al. 2015, arXiv 1409.0473, A.1.2; the bias b is ours.
    """
    return [inner(v, apply(math.tanh, plus(times(w, s), times(u, h), b))) for h in memory]


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


def concat(s: Vector, memory: Matrix, *, w: Matrix, v: Vector) -> Vector:
    """e_j = v . tanh(W [s; h_j])

    Luong et al. 2015, arXiv 1508.04025, section 3.1.
    """
    return [inner(v, apply(math.tanh, times(w, concatenate(s, h)))) for h in memory]


def cosine(s: Vector, memory: Matrix, *, g: float) -> Vector:
    """e_j = g s . h_j / (|s| |h_j|);  0 if either vector is zero

    Graves et al. 2014, arXiv 1410.5401, eqs 5-6.
    """
    lengths = [math.sqrt(inner(s, s) * inner(h, h)) for h in memory]
    return [g * inner(s, h) / length if length else 0.0 for h, length in zip(memory, lengths, strict=True)]


def location(s: Vector, length: int, *, w: Matrix) -> Vector:
    """e_j = (W s)_j,  j = 1 .. S

    Luong et al. 2015, arXiv 1508.04025, eq. 8.
    """
    return times(w[:length], s)


def dense(length: int, *, b: Vector) -> Vector:
    """e_j = b_j,  j = 1 .. S"""
    return b[:length]


def feed_forward(memory: Matrix, *, w: Vector, b: float) -> Vector:
    """e_j = tanh(w . h_j + b)

    Raffel & Ellis 2015, arXiv 1512.08756.
    """
    return [math.tanh(inner(w, h) + b) for h in memory]


def location_aware(
    s: Vector,
    memory: Matrix,
    before: Vector,
    *,
    query: Matrix,
    key: Matrix,
    feature: Matrix,
    filters: Matrix,
    b: Vector,
    v: Vector,
) -> Vector:
    """f_j = sum_m F_m a_{i-1, j+m};  e_j = v . tanh(W s + V h_j + U f_j + b)

    Chorowski et al. 2015, arXiv 1506.07503, eqs 8-9. `before` is a_{i-1}, initially uniform; W, V and U are `query`,
    `key` and `feature`.
    """
    seen = convolved(filters, before)
    return [
        inner(v, apply(math.tanh, plus(times(query, s), times(key, h), times(feature, f), b)))
        for h, f in zip(memory, seen, strict=True)
    ]


def coverage(
    s: Vector, memory: Matrix, covered: Vector, *, query: Matrix, key: Matrix, w: Vector, b: Vector, v: Vector
) -> Vector:
    """e_j = v . tanh(W s + V h_j + w cov_j + b)

    See et al. 2017, arXiv 1704.04368, eqs 10-11. `covered` is the sum of the weights of all earlier steps; W and V
    are `query` and `key`.
    """
    return [
        inner(v, apply(math.tanh, plus(times(query, s), times(key, h), [x * cov for x in w], b)))
        for h, cov in zip(memory, covered, strict=True)
    ]


def dynamic_convolution(
    before: Vector,
    *,
    static: Matrix,
    dynamic: Matrix,
    static_map: Matrix,
    dynamic_map: Matrix,
    b: Vector,
    v: Vector,
    prior: Vector,
) -> Vector:
    """f = F * a_{i-1};  g = G(s) * a_{i-1};  e_j = v . tanh(U f_j + T g_j + b) + log max(sum_m P_m a_{i-1,j-m}, 1e-6)

    Battenberg et al. 2020, arXiv 1910.10288, section 2.3. `before` is a_{i-1}, initially one-hot at the first position;
    F is `static`, G(s) is `dynamic`, from `filters_of`, U and T are the maps, and P is from `beta_binomial`.
    """
    scores = []
    for j, (f, g) in enumerate(zip(convolved(static, before), convolved(dynamic, before), strict=True)):
        moved = sum(chance * before[j - m] for m, chance in enumerate(prior) if j >= m)
        compared = apply(math.tanh, plus(times(static_map, f), times(dynamic_map, g), b))
        scores.append(inner(v, compared) + math.log(max(moved, 1e-6)))
    return scores


def filters_of(s: Vector, *, w: Matrix, b: Vector, v: Matrix, count: int) -> Matrix:
    """G(s) = V tanh(W s + b), split into `count` filters"""
    taps = times(v, apply(math.tanh, plus(times(w, s), b)))
    width = len(taps) // count
    return [taps[i * width : (i + 1) * width] for i in range(count)]


def beta_binomial(n: int, alpha: float, beta: float) -> Vector:
    """P(m) = C(n, m) alpha^(m) beta^(n-m) / (alpha + beta)^(n),  m = 0 .. n, x^(n) = x (x + 1) ... (x + n - 1)"""

    def rising(x: float, count: int) -> float:
        return math.prod(x + i for i in range(count))

    whole = rising(alpha + beta, n)
    return [math.comb(n, m) * rising(alpha, m) * rising(beta, n - m) / whole for m in range(n + 1)]


def convolved(filters: Matrix, x: Vector) -> Matrix:
    """f_j = (sum_m F_m x_{j+m} of each filter),  m = -r .. r, with zeros outside x"""
    radius = len(filters[0]) // 2
    padded = [0.0] * radius + x + [0.0] * radius
    return [[inner(taps, padded[j : j + 2 * radius + 1]) for taps in filters] for j in range(len(x))]


class Window(NamedTuple):
    """The unnormalized parameters of K Gaussians, predicted from the query: w^, d^ and b^."""

    weight: Vector
    delta: Vector
    width: Vector


def gmm(window: Window, mu: Vector, length: int, *, variant: str = "v0") -> tuple[Vector, Vector]:
    """mu' = mu + delta;  e_j = log sum_k (w_k / Z_k) exp(-(j - mu'_k)^2 / (2 sigma_k^2)),  j = 1 .. S

    Graves 2013, arXiv 1308.0850, eqs 46-51 (v0); Battenberg et al. 2020, arXiv 1910.10288, table 1 (v1, v2, v2b).
    Returns (e, mu').
    """
    components = [gaussian(window, k, variant) for k in range(len(mu))]
    mu = [mean + delta for mean, (_, delta, _) in zip(mu, components, strict=True)]
    scores = []
    for j in range(1, length + 1):
        terms = [
            log_weight - (j - mean) ** 2 / (2 * sigma**2)
            for mean, (log_weight, _, sigma) in zip(mu, components, strict=True)
        ]
        largest = max(terms)
        scores.append(largest + math.log(sum(math.exp(term - largest) for term in terms)))
    return scores, mu


def gaussian(window: Window, k: int, variant: str) -> tuple[float, float, float]:
    """(log (w / Z), delta, sigma) of the k-th Gaussian of a window

    v0: exp(w^), exp(d^), sqrt(exp(-b^) / 2), Z = 1; v1: softmax(w^)_k, exp(d^), sqrt(exp(b^)), Z = sqrt(2 pi sigma^2);
    v2 and v2b: softmax(w^)_k, softplus(d^), softplus(b^), Z = sqrt(2 pi sigma^2).
    """
    weight, delta, width = (parameter[k] for parameter in window)
    if variant == "v0":
        return weight, math.exp(delta), math.sqrt(math.exp(-width) / 2)
    sigma = math.sqrt(math.exp(width)) if variant == "v1" else softplus(width)
    log_weight = weight - math.log(sum(math.exp(w) for w in window.weight))
    log_z = math.log(math.sqrt(2 * math.pi * sigma**2))
    return log_weight - log_z, math.exp(delta) if variant == "v1" else softplus(delta), sigma


def softplus(x: float) -> float:
    """log(1 + exp(x))"""
    return math.log1p(math.exp(x))
