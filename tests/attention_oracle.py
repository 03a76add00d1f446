"""Scorers and normalizers in plain Python, with the parameters of a part, and comparisons with parts."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqtool import equations as eq
from seqtool.equations.vectors import Matrix, Vector, inner, plus, sigmoid, times

TOLERANCE = 1e-10
LENGTHS = (7, 1, 0, 4)
SOURCE, STEPS, QUERY = max(LENGTHS), 4, 3

Plain = Callable[[Vector, Matrix], Vector]
"""(s, memory) -> scores of one row; with `observe(weights)` if it uses earlier weights."""


def numbers(**tensors: Tensor) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in tensors.items()}


def plain_additive(part: Any) -> Plain:
    w, u, b, v = part.query_map.weight, part.key_map.weight, part.key_map.bias, part.vector.weight[0]
    return partial(eq.scorer.additive, **numbers(w=w, u=u, b=b, v=v))


class Moving:
    """A window of Gaussians that moves at every call."""

    def __init__(self, part: Any) -> None:
        self.layers = [part.map] if not len(part.hidden) else [part.hidden[0], part.map]
        self.size, self.variant = part.components, part.variant
        self.mu = [0.0] * self.size

    def __call__(self, s: Vector, memory: Matrix) -> Vector:
        *hidden, last = self.layers
        for layer in hidden:
            s = [math.tanh(x) for x in plus(times(layer.weight.tolist(), s), layer.bias.tolist())]
        said = plus(times(last.weight.tolist(), s), last.bias.tolist())
        window = eq.scorer.Window(*(said[i * self.size : (i + 1) * self.size] for i in range(3)))
        scores, self.mu = eq.scorer.gmm(window, self.mu, len(memory), variant=self.variant)
        return scores


class LocationAware:
    """Uses the previous weights, initially uniform."""

    def __init__(self, part: Any) -> None:
        self.given = numbers(
            query=part.query_map.weight,
            key=part.key_map.weight,
            feature=part.feature_map.weight,
            filters=part.filters.weight[:, 0],
            b=part.key_map.bias,
            v=part.vector.weight[0],
        )
        self.before: Vector | None = None

    def __call__(self, s: Vector, memory: Matrix) -> Vector:
        before = [1 / len(memory) for _ in memory] if self.before is None else self.before
        return eq.scorer.location_aware(s, memory, before, **self.given)

    def observe(self, weights: Vector) -> None:
        self.before = weights


class Coverage:
    """Uses the sum of all earlier weights."""

    def __init__(self, part: Any) -> None:
        self.given = numbers(
            query=part.query_map.weight,
            key=part.key_map.weight,
            w=part.coverage_map.weight[:, 0],
            b=part.key_map.bias,
            v=part.vector.weight[0],
        )
        self.seen: list[Vector] = []

    def __call__(self, s: Vector, memory: Matrix) -> Vector:
        return eq.scorer.coverage(s, memory, plus([0.0] * len(memory), *self.seen), **self.given)

    def observe(self, weights: Vector) -> None:
        self.seen.append(weights)


class DynamicConvolution:
    """Uses the previous weights, initially one-hot."""

    def __init__(self, part: Any) -> None:
        first, _, second = part.dynamic_filters
        self.made = numbers(w=first.weight, b=first.bias, v=second.weight)
        self.given = numbers(
            static=part.static_filters.weight,
            static_map=part.static_map.weight,
            dynamic_map=part.dynamic_map.weight,
            b=part.static_map.bias,
            v=part.vector.weight[0],
        )
        self.given["prior"] = eq.scorer.beta_binomial(len(part.prior) - 1, 0.1, 0.9)
        self.before: Vector | None = None

    def __call__(self, s: Vector, memory: Matrix) -> Vector:
        before = one_hot(len(memory)) if self.before is None else self.before
        made = eq.scorer.filters_of(s, **self.made, count=len(self.given["static"]))
        return eq.scorer.dynamic_convolution(before, **self.given, dynamic=made)

    def observe(self, weights: Vector) -> None:
        self.before = weights


def plain_location(part: Any) -> Plain:
    return lambda s, memory: eq.scorer.location(s, len(memory), w=part.map.weight.tolist())


def plain_dense(part: Any) -> Plain:
    return lambda s, memory: eq.scorer.dense(len(memory), b=part.scores.tolist())


def plain_feed_forward(part: Any) -> Plain:
    w, b = part.map.weight[0].tolist(), part.map.bias.item()
    return lambda s, memory: eq.scorer.feed_forward(memory, w=w, b=b)


PLAIN: dict[str, Callable[[Any], Plain]] = {
    "additive": plain_additive,
    "concat": lambda part: partial(eq.scorer.concat, **numbers(w=part.map.weight, v=part.vector.weight[0])),
    "cosine": lambda part: partial(eq.scorer.cosine, g=part.strength.item()),
    "coverage": Coverage,
    "dense": plain_dense,
    "dynamic_convolution": DynamicConvolution,
    "feed_forward": plain_feed_forward,
    "general": lambda part: partial(eq.scorer.general, w=part.map.weight.tolist()),
    "gmm": Moving,
    "location": plain_location,
    "location_aware": LocationAware,
}
"""The equation of each part, with the part's parameters."""


def plain_scorer(name: str, part: Any) -> Plain:
    """The equation of a scorer with the parameters of a part, anew for each row."""
    plain: Plain = PLAIN[name](part) if name in PLAIN else getattr(eq.scorer, name)
    return plain


def one_hot(length: int) -> Vector:
    return [float(j == 0) for j in range(length)]


def chances(part: Any, e: Vector) -> Vector:
    p = [sigmoid(score + (part.bias.item() if hasattr(part, "bias") else 0.0)) for score in e]
    return eq.normalizer.hard(p) if part.inference == "hard" else p


class Normalized:
    """The equation of a normalizer with the parameters of a part, over the steps of one row of `length` positions."""

    def __init__(self, name: str, part: Any, length: int) -> None:
        self.name, self.part, self.length = name, part, length
        self.before, self.step, self.u = one_hot(length), 0, 0.5

    def __call__(self, energies: Matrix, s: Vector) -> Vector:
        self.step += 1
        method = getattr(self, self.name, None)
        return method(energies, s) if method else getattr(eq.normalizer, self.name)(energies[0])

    def local_m(self, energies: Matrix, s: Vector) -> Vector:
        return eq.normalizer.local_m(energies[0], self.step, half_width=self.part.half_width)

    def local_p(self, energies: Matrix, s: Vector) -> Vector:
        hidden = [math.tanh(x) for x in times(self.part.map.weight.tolist(), s)]
        p = self.length * sigmoid(inner(self.part.vector.weight[0].tolist(), hidden))
        return eq.normalizer.local_p(energies[0], p, half_width=self.part.half_width)

    def monotonic(self, energies: Matrix, s: Vector) -> Vector:
        self.before = eq.normalizer.monotonic(chances(self.part, energies[0]), self.before)
        return self.before

    def mocha(self, energies: Matrix, s: Vector) -> Vector:
        return eq.normalizer.mocha(self.monotonic(energies, s), energies[1], width=self.part.width)

    def stepwise_monotonic(self, energies: Matrix, s: Vector) -> Vector:
        self.before = eq.normalizer.stepwise_monotonic(chances(self.part, energies[0]), self.before)
        return self.before

    def forward(self, energies: Matrix, s: Vector) -> Vector:
        self.before = eq.normalizer.forward(energies[0], self.before, u=self.u)
        if self.part.agent is not None:
            weight, bias = self.part.agent.weight[0].tolist(), self.part.agent.bias.item()
            self.u = sigmoid(inner(weight, s) + bias)
        return self.before


def mask() -> Tensor:
    return torch.arange(SOURCE) < torch.tensor(LENGTHS)[:, None]


def randn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def expect(found: Tensor, wanted: Vector, what: str) -> None:
    """Raise an error that describes how a vector differs from the equation."""
    expected = torch.tensor(wanted, dtype=torch.float64)
    wrong = (~torch.isclose(found.detach(), expected, rtol=TOLERANCE, atol=TOLERANCE)).nonzero()
    if len(wrong):
        j = int(wrong[0])
        raise AssertionError(f"{what} at position {j} is {found[j]:.6g}, and by the equation {wanted[j]:.6g}")


def check_scorer_equation(name: str, scorer: Any, memory_size: int) -> None:
    """Compare a scorer with its equation, row by row and step by step; weights are the softmax of scores."""
    query, memory = randn(len(LENGTHS), STEPS, QUERY), randn(len(LENGTHS), SOURCE, memory_size)
    fixed, state = scorer.start(memory, mask())
    plain = [plain_scorer(name, scorer) for _ in LENGTHS]
    if scorer.parallel:
        scores, state = scorer.score(query, fixed, state)
    for step in range(STEPS):
        if not scorer.parallel:
            scores, state = scorer.score(query[:, step : step + 1], fixed, state)
        observed = torch.zeros(len(LENGTHS), SOURCE, dtype=torch.float64)
        for row, length in enumerate(LENGTHS):
            wanted = plain[row](query[row, step].tolist(), memory[row, :length].tolist())
            found = scores[row, step if scorer.parallel else 0, :length]
            expect(found, wanted, f"scorer {name}: row {row}'s score at step {step}")
            weights = eq.normalizer.softmax(wanted)
            observed[row, :length] = torch.tensor(weights, dtype=torch.float64)
            if not scorer.parallel:
                plain[row].observe(weights)  # type: ignore[attr-defined]
        if not scorer.parallel:
            state = scorer.observe(observed, state)
    for row, one in enumerate(plain):
        if isinstance(one, Moving):
            expect(state[row], one.mu, f"scorer {name}: row {row}'s last mu")


def check_normalizer_equation(name: str, normalizer: Any) -> None:
    """Compare a normalizer with its equation, row by row and step by step."""
    scores, query = 3 * randn(len(LENGTHS), 2, STEPS, SOURCE), randn(len(LENGTHS), STEPS, QUERY)
    scores[3, 0, -1, 0] = 100.0
    scores = scores[:, : normalizer.num_energies]
    masked = scores.masked_fill(~mask()[:, None, None], torch.finfo(torch.float64).min)
    state, steps = normalizer.start(query, mask()), []
    stride = STEPS if normalizer.parallel else 1
    for some, asked in zip(masked.split(stride, 2), query.split(stride, 1), strict=True):
        weights, state = normalizer(some if normalizer.num_energies > 1 else some[:, 0], mask(), asked, state)
        steps.append(weights)
    weights = torch.cat(steps, 1)
    for row, length in enumerate(LENGTHS):
        plain = Normalized(name, normalizer, length)
        for step in range(STEPS):
            wanted = plain(scores[row, :, step, :length].tolist(), query[row, step].tolist())
            expect(weights[row, step, :length], wanted, f"normalizer {name}: row {row}'s weight at step {step}")
