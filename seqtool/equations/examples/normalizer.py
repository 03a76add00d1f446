"""Worked examples of normalizers: the scores of one step over three positions."""

import math

from seqtool.equations import normalizer
from seqtool.equations.example import Example
from seqtool.equations.vectors import Vector, apply, multiply, plus, scale
from seqtool.equations.vectors import sigmoid as logistic

SCORES = [0.0, 1.0, -1.0]
BEFORE = [0.5, 0.5, 0.0]


def softmax() -> Example:
    """Exponentials divided by their sum."""
    example = Example({"e": SCORES})
    exponentials = example.show("exp(e)", apply(math.exp, SCORES))
    example.show("sum", sum(exponentials))
    return example.result("a", normalizer.softmax(SCORES))


def exp() -> Example:
    """Exponentials, not normalized."""
    scores = [*SCORES, 100.0]
    example = Example({"e": scores})
    example.show("min(e, 60)", [min(score, 60.0) for score in scores])
    return example.result("a", normalizer.exp(scores))


def sigmoid() -> Example:
    """Each position independently."""
    example = Example({"e": SCORES})
    example.show("exp(-e)", [math.exp(-score) for score in SCORES])
    return example.result("a", normalizer.sigmoid(SCORES))


def sparsemax() -> Example:
    """The third score is too low for any weight."""
    scores = [0.0, 0.5, -1.0]
    example = Example({"e": scores})
    falling = example.show("e, sorted", sorted(scores, reverse=True))
    taus = [(sum(falling[:k]) - 1) / k for k in (1, 2, 3)]
    example.show("(sum of the k largest - 1) / k", taus)
    tau = [tau for score, tau in zip(falling, taus, strict=True) if score > tau][-1]
    example.show("tau: the last one below its score", tau)
    return example.result("a", normalizer.sparsemax(scores))


def entmax15() -> Example:
    """The third score is too low for any weight."""
    scores = [0.0, 0.4, -2.0]
    example = Example({"e": scores})
    weights = normalizer.entmax15(scores)
    halves = example.show("e / 2", [score / 2 for score in scores])
    tau = example.show("tau, for a sum of one", max(halves) - math.sqrt(max(weights)))
    example.show("max(e / 2 - tau, 0)", [max(half - tau, 0.0) for half in halves])
    return example.result("a", weights)


def local_m() -> Example:
    """The third step, over five positions."""
    scores, i, half_width = [5.0, *SCORES, 2.0], 3, 1
    example = Example({"e": scores, "i": i, "D": half_width})
    p = example.show("p = min(i, S)", min(i, len(scores)))
    example.show("j with |j - p| <= D", window(scores, p, half_width))
    return example.result("a", normalizer.local_m(scores, i, half_width=half_width))


def local_p() -> Example:
    """The predicted position is half of the source, over five positions."""
    scores, predicted, half_width = [*SCORES, 0.0, 2.0], 0.0, 2
    example = Example({"e": scores, "v . tanh(W s)": predicted, "D": half_width})
    p = example.show("p = S sigma(v . tanh(W s))", len(scores) * logistic(predicted))
    example.show("j with |j - p| <= D", window(scores, p, half_width))
    example.show("softmax of e over these", normalizer.inside(scores, p, half_width))
    distances = [(j - p) / (half_width / 2) for j in range(1, len(scores) + 1)]
    example.show("exp(-(j - p)^2 / (2 (D/2)^2))", [math.exp(-(d**2) / 2) for d in distances])
    return example.result("a", normalizer.local_p(scores, p, half_width=half_width))


def window(scores: Vector, p: float, half_width: int) -> Vector:
    """The positions in the window, counted from 1."""
    return [float(j) for j in range(1, len(scores) + 1) if abs(j - p) <= half_width]


def monotonic() -> Example:
    """The weights sum to less than one: the rest is the probability of no choice."""
    r = -1.0
    example = Example({"e": SCORES, "r": r, "a_{i-1}": BEFORE})
    p = example.show("p = sigma(e + r)", [logistic(score + r) for score in SCORES])
    weights = normalizer.monotonic(p, BEFORE)
    example.show("q_j = (1 - p_{j-1}) q_{j-1} + a_{i-1,j}", [a / chance for a, chance in zip(weights, p, strict=True)])
    example.show("no choice: 1 - sum_j p_j q_j", 1 - sum(weights))
    return example.result("a = p q", weights)


def mocha() -> Example:
    """Chunks of two: the energies e choose a position, the energies u divide its weight within the chunk."""
    u, r, width = [0.0, math.log(3), 0.0], -1.0, 2
    example = Example({"e": SCORES, "u": u, "r": r, "a_{i-1}": BEFORE, "w": width})
    p = example.show("p = sigma(e + r)", [logistic(score + r) for score in SCORES])
    marginals = example.show("a by `monotonic`", normalizer.monotonic(p, BEFORE))
    for k in range(1, 4):
        chunk = range(max(1, k - width + 1), k + 1)
        parts = normalizer.softmax([u[j - 1] for j in chunk])
        example.show(f"a_{k} softmax(u over {' and '.join(map(str, chunk))})", [marginals[k - 1] * x for x in parts])
    return example.result("b", normalizer.mocha(marginals, u, width=width))


def stepwise_monotonic() -> Example:
    """The weight of the last position cannot move on."""
    example = Example({"e": SCORES, "a_{i-1}": BEFORE})
    p = example.show("p = sigma(e), 1 at the last", [*apply(logistic, SCORES[:-1]), 1.0])
    example.show("stays: a_{i-1,j} p_j", multiply(BEFORE, p))
    leaving = [a * (1 - chance) for a, chance in zip(BEFORE, p, strict=True)]
    example.show("comes: a_{i-1,j-1} (1 - p_{j-1})", [0.0, *leaving[:-1]])
    return example.result("a", normalizer.stepwise_monotonic(p, BEFORE))


def forward() -> Example:
    """Staying and moving on have equal probability."""
    u = 0.5
    example = Example({"e": SCORES, "u": u, "a_{i-1}": BEFORE})
    stays, comes = scale(1 - u, BEFORE), [0.0, *scale(u, BEFORE[:-1])]
    reached = example.show("(1 - u) a_{i-1,j} + u a_{i-1,j-1}", plus(stays, comes))
    weights = example.show("softmax(e)", normalizer.softmax(SCORES))
    example.show("product", multiply(reached, weights))
    return example.result("a, normalized", normalizer.forward(SCORES, BEFORE, u=u))
