"""Normalizers, worked: the scores of one step over three positions."""

import math

from seqtool.equations import normalizer
from seqtool.equations.example import Example
from seqtool.equations.vectors import Vector, by_element, each, plus, scaled
from seqtool.equations.vectors import sigmoid as logistic

SCORES = [0.0, 1.0, -1.0]
BEFORE = [0.5, 0.5, 0.0]


def softmax() -> Example:
    """Shares of powers of e."""
    example = Example({"e": SCORES})
    powers = example.show("exp(e)", each(math.exp, SCORES))
    example.show("their sum", sum(powers))
    return example.result("a", normalizer.softmax(SCORES))


def exp() -> Example:
    """Powers of e as they are."""
    scores = [*SCORES, 100.0]
    example = Example({"e": scores})
    example.show("min(e, 60)", [min(score, 60.0) for score in scores])
    return example.result("a", normalizer.exp(scores))


def sigmoid() -> Example:
    """Each by itself."""
    example = Example({"e": SCORES})
    example.show("exp(-e)", [math.exp(-score) for score in SCORES])
    return example.result("a", normalizer.sigmoid(SCORES))


def sparsemax() -> Example:
    """The third score is too low to count."""
    scores = [0.0, 0.5, -1.0]
    example = Example({"e": scores})
    falling = example.show("e, the largest first", sorted(scores, reverse=True))
    taus = [(sum(falling[:k]) - 1) / k for k in (1, 2, 3)]
    example.show("(sum of the k largest - 1) / k", taus)
    tau = [tau for score, tau in zip(falling, taus, strict=True) if score > tau][-1]
    example.show("tau, the last below its score", tau)
    return example.result("a", normalizer.sparsemax(scores))


def entmax15() -> Example:
    """The third score is too low to count."""
    scores = [0.0, 0.4, -2.0]
    example = Example({"e": scores})
    weights = normalizer.entmax15(scores)
    halves = example.show("e / 2", [score / 2 for score in scores])
    tau = example.show("tau, so that the sum is one", max(halves) - math.sqrt(max(weights)))
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
    """The query says: half way, over five positions."""
    scores, said, half_width = [*SCORES, 0.0, 2.0], 0.0, 2
    example = Example({"e": scores, "v . tanh(W s)": said, "D": half_width})
    p = example.show("p = S sigma(v . tanh(W s))", len(scores) * logistic(said))
    example.show("j with |j - p| <= D", window(scores, p, half_width))
    example.show("softmax of e over these", normalizer.inside(scores, p, half_width))
    distances = [(j - p) / (half_width / 2) for j in range(1, len(scores) + 1)]
    example.show("exp(-(j - p)^2 / (2 (D/2)^2))", [math.exp(-(d**2) / 2) for d in distances])
    return example.result("a", normalizer.local_p(scores, p, half_width=half_width))


def window(scores: Vector, p: float, half_width: int) -> Vector:
    """The positions in the window, from 1 on."""
    return [float(j) for j in range(1, len(scores) + 1) if abs(j - p) <= half_width]


def monotonic() -> Example:
    """The rest of the sum is the chance of running past the end."""
    r = -1.0
    example = Example({"e": SCORES, "r": r, "a_{i-1}": BEFORE})
    p = example.show("p = sigma(e + r)", [logistic(score + r) for score in SCORES])
    weights = normalizer.monotonic(p, BEFORE)
    example.show("q_j = (1 - p_{j-1}) q_{j-1} + a_{i-1,j}", [a / chance for a, chance in zip(weights, p, strict=True)])
    example.show("runs past the end: 1 - sum_j p_j q_j", 1 - sum(weights))
    return example.result("a = p q", weights)


def mocha() -> Example:
    """Chunks of two: what the first energies choose, the second share with the position before."""
    u, r, width = [0.0, math.log(3), 0.0], -1.0, 2
    example = Example({"e": SCORES, "u": u, "r": r, "a_{i-1}": BEFORE, "w": width})
    p = example.show("p = sigma(e + r)", [logistic(score + r) for score in SCORES])
    marginals = example.show("a, as `monotonic` has it", normalizer.monotonic(p, BEFORE))
    for k in range(1, 4):
        chunk = range(max(1, k - width + 1), k + 1)
        parts = normalizer.softmax([u[j - 1] for j in chunk])
        example.show(f"a_{k} softmax(u over {' and '.join(map(str, chunk))})", [marginals[k - 1] * x for x in parts])
    return example.result("b", normalizer.mocha(marginals, u, width=width))


def stepwise_monotonic() -> Example:
    """Nothing leaves the last position."""
    example = Example({"e": SCORES, "a_{i-1}": BEFORE})
    p = example.show("p = sigma(e), 1 at the last", [*each(logistic, SCORES[:-1]), 1.0])
    example.show("stays: a_{i-1,j} p_j", by_element(BEFORE, p))
    leaving = [a * (1 - chance) for a, chance in zip(BEFORE, p, strict=True)]
    example.show("comes: a_{i-1,j-1} (1 - p_{j-1})", [0.0, *leaving[:-1]])
    return example.result("a", normalizer.stepwise_monotonic(p, BEFORE))


def forward() -> Example:
    """Staying and moving on are equally likely."""
    u = 0.5
    example = Example({"e": SCORES, "u": u, "a_{i-1}": BEFORE})
    stays, comes = scaled(1 - u, BEFORE), [0.0, *scaled(u, BEFORE[:-1])]
    reached = example.show("(1 - u) a_{i-1,j} + u a_{i-1,j-1}", plus(stays, comes))
    weights = example.show("softmax(e)", normalizer.softmax(SCORES))
    example.show("their product", by_element(reached, weights))
    return example.result("a, summing to one", normalizer.forward(SCORES, BEFORE, u=u))
