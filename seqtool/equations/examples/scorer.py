"""Worked examples of scorers: one query over three memory vectors."""

import math

from seqtool.equations import scorer
from seqtool.equations.example import Example, Value
from seqtool.equations.vectors import apply, concatenate, inner, plus, scale, times

S = [1.0, -0.5]
MEMORY = [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]
SQUARE = [[0.5, 0.0], [1.0, -1.0]]
KEY = [[1.0, 0.0], [0.0, 2.0]]
V = [1.0, -1.0]


def additive() -> Example:
    """Additive scores of Bahdanau et al."""
    b = [0.0, 0.1]
    example = Example({"s": S, "h": MEMORY, "W": SQUARE, "U": KEY, "b": b, "v": V})
    projected = example.show("W s", times(SQUARE, S))
    for j, h in enumerate(MEMORY, 1):
        key = example.show(f"U h_{j} + b", plus(times(KEY, h), b))
        example.show(f"tanh(W s + U h_{j} + b)", apply(math.tanh, plus(projected, key)))
    return example.result("e", scorer.additive(S, MEMORY, w=SQUARE, u=KEY, b=b, v=V))


def dot() -> Example:
    """Dot scores of Luong et al."""
    example = Example({"s": S, "h": MEMORY})
    return example.result("e_j = s . h_j", scorer.dot(S, MEMORY))


def scaled_dot() -> Example:
    """Scaled dot scores of Vaswani et al."""
    example = Example({"s": S, "h": MEMORY})
    example.show("s . h_j", [inner(S, h) for h in MEMORY])
    example.show("sqrt(d)", math.sqrt(len(S)))
    return example.result("e", scorer.scaled_dot(S, MEMORY))


def general() -> Example:
    """General scores of Luong et al."""
    example = Example({"s": S, "h": MEMORY, "W": SQUARE})
    for j, h in enumerate(MEMORY, 1):
        example.show(f"W h_{j}", times(SQUARE, h))
    return example.result("e", scorer.general(S, MEMORY, w=SQUARE))


def concat() -> Example:
    """Concat scores of Luong et al.: one matrix for query and memory."""
    w = [[1.0, 0.0, 0.0, 1.0], [0.0, 2.0, 1.0, 0.0]]
    example = Example({"s": S, "h": MEMORY, "W": w, "v": V})
    for j, h in enumerate(MEMORY, 1):
        compared = example.show(f"W [s; h_{j}]", times(w, concatenate(S, h)))
        example.show(f"tanh(W [s; h_{j}])", apply(math.tanh, compared))
    return example.result("e", scorer.concat(S, MEMORY, w=w, v=V))


def cosine() -> Example:
    """Cosine similarity; the last memory vector is zero."""
    s, memory, g = [3.0, -4.0], [*MEMORY, [0.0, 0.0]], 2.0
    example = Example({"s": s, "h": memory, "g": g})
    example.show("s . h_j", [inner(s, h) for h in memory])
    example.show("|s|", math.sqrt(inner(s, s)))
    example.show("|h_j|", [math.sqrt(inner(h, h)) for h in memory])
    return example.result("e_j = g s . h_j / (|s| |h_j|)", scorer.cosine(s, memory, g=g))


def gmm() -> Example:
    """A window of two Gaussians (v0, Graves) over four positions."""
    window, mu = scorer.Window([0.0, -1.0], [0.0, 0.7], [0.0, -0.7]), [1.0, 0.5]
    example = Example({"w^": window.weight, "d^": window.delta, "b^": window.width, "mu": mu})
    example.show("exp(d^)", apply(math.exp, window.delta))
    example.show("exp(b^) = 1 / (2 sigma^2)", apply(math.exp, window.width))
    scores, moved = scorer.gmm(window, mu, 4)
    example.show("mu' = mu + exp(d^)", moved)
    example.show("exp(w^)", apply(math.exp, window.weight))
    example.show("e", scores)
    return example.result("exp(e), the weights of `exp`", apply(math.exp, scores))


def location() -> Example:
    """Location scores of Luong et al.: parameters for four positions, a source of three."""
    w = [[1.0, 0.0], [0.0, 1.0], [1.0, 2.0], [2.0, -1.0]]
    example = Example({"s": S, "W": w, "length of h": len(MEMORY)})
    example.show("W s", times(w, S))
    return example.result("e_j = (W s)_j", scorer.location(S, len(MEMORY), w=w))


def location_aware() -> Example:
    """One filter: the previous weight at j - 1 minus that at j + 1."""
    before, filters, feature, b = [0.25, 0.5, 0.25], [[1.0, 0.0, -1.0]], [[2.0], [0.0]], [0.0, 0.1]
    given: dict[str, Value] = {"s": S, "h": MEMORY, "a_{i-1}": before, "F": filters}
    example = Example({**given, "W": SQUARE, "V": KEY, "U": feature, "b": b, "v": V})
    seen = example.show("f = F * a_{i-1}", scorer.convolved(filters, before))
    projected = example.show("W s", times(SQUARE, S))
    for j, (h, f) in enumerate(zip(MEMORY, seen, strict=True), 1):
        compared = plus(projected, times(KEY, h), times(feature, f), b)
        example.show(f"W s + V h_{j} + U f_{j} + b", compared)
    weights = {"query": SQUARE, "key": KEY, "feature": feature, "filters": filters}
    scores = scorer.location_aware(S, MEMORY, before, **weights, b=b, v=V)
    return example.result("e_j = v . tanh(...)", scores)


def coverage() -> Example:
    """The third step."""
    first, second, w, b = [0.75, 0.25, 0.0], [0.25, 0.25, 0.5], [1.0, -1.0], [0.0, 0.1]
    given: dict[str, Value] = {"s": S, "h": MEMORY, "a_1": first, "a_2": second}
    example = Example({**given, "W": SQUARE, "V": KEY, "w": w, "b": b, "v": V})
    covered = example.show("cov = a_1 + a_2", plus(first, second))
    projected = example.show("W s", times(SQUARE, S))
    for j, (h, cov) in enumerate(zip(MEMORY, covered, strict=True), 1):
        example.show(f"W s + V h_{j} + w cov_{j} + b", plus(projected, times(KEY, h), scale(cov, w), b))
    scores = scorer.coverage(S, MEMORY, covered, query=SQUARE, key=KEY, w=w, b=b, v=V)
    return example.result("e_j = v . tanh(...)", scores)


def dynamic_convolution() -> Example:
    """One static and one dynamic filter, and a prior of two taps."""
    before, static, u, t, b, v = [0.5, 0.5, 0.0, 0.0], [[0.0, 1.0, 0.0]], [[1.0]], [[1.0]], [0.0], [1.0]
    w_g, b_g, v_g = [[1.0, 2.0]], [0.5], [[1.0], [0.0], [0.0]]
    given: dict[str, Value] = {"s": S, "a_{i-1}": before, "F": static, "W_G": w_g, "b_G": b_g, "V_G": v_g}
    example = Example({**given, "U": u, "T": t, "b": b, "v": v, "n": 2, "alpha": 0.1, "beta": 0.9})
    dynamic = example.show("G(s) = V_G tanh(W_G s + b_G)", scorer.filters_of(S, w=w_g, b=b_g, v=v_g, count=1))
    example.show("f = F * a_{i-1}", scorer.convolved(static, before))
    example.show("g = G(s) * a_{i-1}", scorer.convolved(dynamic, before))
    prior = example.show("P", scorer.beta_binomial(1, 0.1, 0.9))
    behind = [0.0, *before]
    moved = [prior[0] * here + prior[1] * left for here, left in zip(before, behind, strict=False)]
    example.show("sum_m P_m a_{i-1, j-m}", moved)
    example.show("p = log max(sum_m P_m a_{i-1, j-m}, 1e-6)", [math.log(max(x, 1e-6)) for x in moved])
    filters = {"static": static, "dynamic": dynamic, "static_map": u, "dynamic_map": t}
    scores = scorer.dynamic_convolution(before, **filters, b=b, v=v, prior=prior)
    return example.result("e = v . tanh(U f + T g + b) + p", scores)


def dense() -> Example:
    """Parameters for four positions, a source of three; query and memory are not used."""
    b = [0.5, -1.0, 2.0, 0.0]
    example = Example({"b": b, "length of h": len(MEMORY)})
    return example.result("e_j = b_j", scorer.dense(len(MEMORY), b=b))


def feed_forward() -> Example:
    """Scores of the memory alone, of Raffel & Ellis."""
    w, b = [1.0, -1.0], -0.5
    example = Example({"h": MEMORY, "w": w, "b": b})
    example.show("w . h_j + b", [inner(w, h) + b for h in MEMORY])
    return example.result("e_j = tanh(w . h_j + b)", scorer.feed_forward(MEMORY, w=w, b=b))
