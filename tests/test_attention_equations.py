"""Scorers and normalizers compared with equations in plain Python (float64, random parameters) and by hand."""

import math
from typing import Any

import pytest
import torch
from attention_oracle import QUERY, check_normalizer_equation, check_scorer_equation
from oracle import build
from registered import memory_size, names, options_of

from seqtool import equations as eq
from seqtool.registry import default_registry

SCORERS: list[tuple[str, dict[str, Any]]] = [
    *[(name, options_of("scorer", name)) for name in names("scorer")],
    *[(name, {"hidden_size": 4}) for name in ("additive", "concat", "coverage")],
    *[(name, {"max_length": 9}) for name in ("dense", "location")],
    ("dynamic_convolution", {"radius": 1, "filters": 2, "prior_size": 3, "hidden_size": 4}),
    ("dynamic_convolution", {"radius": 0, "prior_size": 1}),
    ("gmm", {"components": 2}),
    ("gmm", {"components": 3, "hidden_size": 7}),
    *[("gmm", {"variant": variant}) for variant in ("v0", "v1", "v2", "v2b")],
    ("location_aware", {"filters": 2, "radius": 1, "hidden_size": 4}),
]
NORMALIZERS: list[tuple[str, dict[str, Any]]] = [
    *[(name, options_of("normalizer", name)) for name in names("normalizer")],
    ("forward", {"agent": True}),
    *[("local_m", {"half_width": width}) for width in (1, 2, 10)],
    *[("local_p", {"half_width": width, "hidden_size": 5}) for width in (1, 2)],
    *[("mocha", {"width": width, "inference": how}) for width in (1, 3, 9) for how in ("soft", "hard")],
    *[(name, {"inference": how}) for name in ("monotonic", "stepwise_monotonic") for how in ("soft", "hard")],
]


@pytest.mark.parametrize(("name", "options"), SCORERS)
def test_scorer(name: str, options: dict[str, Any]) -> None:
    memory = memory_size(name, options, QUERY)
    check_scorer_equation(name, build("scorer", name, QUERY, memory, **options), memory)


@pytest.mark.parametrize(("name", "options"), NORMALIZERS)
def test_normalizer(name: str, options: dict[str, Any]) -> None:
    check_normalizer_equation(name, build("normalizer", name, QUERY, **options).eval())


def test_scorers_by_hand() -> None:
    assert eq.scorer.dot([1.0, 2.0], [[3.0, 4.0], [0.0, -1.0]]) == [11.0, -2.0]
    assert eq.scorer.scaled_dot([1.0, 2.0, 2.0, 0.0], [[2.0, 1.0, 1.0, 9.0]]) == [3.0]
    assert eq.scorer.general([1.0, 2.0], [[3.0]], w=[[1.0], [10.0]]) == [63.0]
    one = [[1.0]]
    assert eq.scorer.additive([0.5], [[0.25]], w=one, u=one, b=[0.0], v=[2.0]) == [2 * math.tanh(0.75)]
    assert eq.scorer.concat([0.5], [[0.25]], w=[[1.0, 2.0]], v=[3.0]) == [3 * math.tanh(1.0)]
    assert eq.scorer.cosine([3.0, 4.0], [[6.0, 8.0], [-4.0, 3.0], [0.0, 0.0]], g=2.0) == [2.0, 0.0, 0.0]
    assert eq.scorer.location([2.0], 2, w=[[1.0], [-1.0], [5.0]]) == [2.0, -2.0]
    assert eq.scorer.dense(2, b=[1.0, 2.0, 3.0]) == [1.0, 2.0]
    assert eq.scorer.feed_forward([[1.0], [0.0]], w=[2.0], b=-1.0) == [math.tanh(1.0), math.tanh(-1.0)]
    nothing = {"query": [[0.0]], "key": [[0.0]], "b": [0.0], "v": [1.0]}
    filters = [[1.0, 0.0, 10.0]]  # the preceding position, and ten times the following one
    scores = eq.scorer.location_aware([1.0], [[1.0]] * 3, [0.2, 0.3, 0.5], **nothing, feature=one, filters=filters)
    assert scores == pytest.approx([math.tanh(3.0), math.tanh(5.2), math.tanh(0.3)])
    assert eq.scorer.coverage([1.0], [[1.0]], [0.5], **nothing, w=[3.0]) == [math.tanh(1.5)]
    flat = {"static_map": [[0.0]], "dynamic_map": [[0.0]], "static": [[0.0]], "dynamic": [[0.0]], "b": [0.0]}
    scores = eq.scorer.dynamic_convolution([0.0, 1.0, 0.0, 0.0], **flat, v=[0.0], prior=[0.5, 0.25])
    assert scores == pytest.approx([math.log(1e-6), math.log(0.5), math.log(0.25), math.log(1e-6)])


def test_a_beta_binomial_prior_by_hand() -> None:
    assert eq.scorer.beta_binomial(2, 1.0, 1.0) == pytest.approx([1 / 3] * 3)
    # alpha = 0.1, beta = 0.9, n = 1: a Bernoulli trial with probability 0.1
    assert eq.scorer.beta_binomial(1, 0.1, 0.9) == pytest.approx([0.9, 0.1])
    prior = eq.scorer.beta_binomial(10, 0.1, 0.9)
    assert sum(prior) == pytest.approx(1)
    assert sum(m * chance for m, chance in enumerate(prior)) == pytest.approx(1)  # n alpha / (alpha + beta)


def test_a_window_by_hand() -> None:
    scores, mu = eq.scorer.gmm(eq.scorer.Window([0.0], [math.log(2)], [math.log(0.5)]), [1.0], 4)
    assert mu == pytest.approx([3.0])
    assert scores == pytest.approx([-2.0, -0.5, 0.0, -0.5])
    window = eq.scorer.Window([7.0], [math.log(2)], [math.log(4)])  # one component has all weight; sigma = 2
    scores, mu = eq.scorer.gmm(window, [1.0], 3, variant="v1")
    assert mu == pytest.approx([3.0])
    assert [math.exp(score) for score in scores] == pytest.approx(
        [math.exp(-(j**2) / 8) / math.sqrt(8 * math.pi) for j in (2, 1, 0)]
    )
    window = eq.scorer.Window([0.0, 0.0], [math.log(math.expm1(1))] * 2, [math.log(math.expm1(10))] * 2)
    for variant in ("v2", "v2b"):
        scores, mu = eq.scorer.gmm(window, [0.0, 4.0], 1, variant=variant)
        assert mu == pytest.approx([1.0, 5.0])
        density = [math.exp(-(d**2) / 200) / math.sqrt(200 * math.pi) for d in (0, 4)]
        assert math.exp(scores[0]) == pytest.approx(sum(density) / 2)


def test_normalizers_by_hand() -> None:
    assert eq.normalizer.softmax([math.log(1), math.log(3)]) == pytest.approx([0.25, 0.75])
    assert (
        eq.normalizer.softmax([])
        == eq.normalizer.exp([])
        == eq.normalizer.sparsemax([])
        == eq.normalizer.entmax15([])
        == eq.normalizer.forward([], [])
        == []
    )
    assert eq.normalizer.exp([0.0, 1000.0]) == [1.0, math.exp(60)]
    assert eq.normalizer.sigmoid([0.0, math.log(3)]) == pytest.approx([0.5, 0.75])
    flat = [0.0] * 5
    assert eq.normalizer.local_m(flat, 1, half_width=1) == [0.5, 0.5, 0, 0, 0]
    assert eq.normalizer.local_m(flat, 3, half_width=1) == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0])
    assert eq.normalizer.local_m(flat, 9, half_width=1) == [0, 0, 0, 0.5, 0.5]
    assert eq.normalizer.local_p(flat, 2.5, half_width=2) == pytest.approx(
        [0.25 * math.exp(-d * d / 2) for d in (1.5, 0.5, 0.5, 1.5)] + [0]
    )
    assert eq.normalizer.monotonic([0.5, 0.5, 0.5], [1.0, 0.0, 0.0]) == [0.5, 0.25, 0.125]
    assert eq.normalizer.monotonic([0.5, 1.0, 0.5], [0.5, 0.25, 0.25]) == [0.25, 0.5, 0.125]
    assert eq.normalizer.mocha([0.0, 0.0, 1.0], [0.0, math.log(3), 0.0], width=2) == pytest.approx([0, 0.75, 0.25])
    assert eq.normalizer.mocha([1.0, 0.0], [5.0, 9.0], width=3) == [1.0, 0.0]
    assert eq.normalizer.stepwise_monotonic([0.75, 0.5, 0.25], [1.0, 0.0, 0.0]) == [0.75, 0.25, 0.0]
    assert eq.normalizer.stepwise_monotonic([0.75, 0.5, 0.25], [0.0, 0.5, 0.5]) == [0.0, 0.25, 0.75]
    assert eq.normalizer.forward([0.0, math.log(3), 9.0], [1.0, 0.0, 0.0]) == pytest.approx([0.25, 0.75, 0.0])
    assert eq.normalizer.forward([0.0, 0.0], [1.0, 0.0], u=0.25) == [0.75, 0.25]
    assert eq.normalizer.hard([0.2, 0.5, 0.51]) == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(("name", "published"), [("sparsemax", [0.0, 0.25, 0.75]), ("entmax15", [0.0, 0.3260, 0.6740])])
def test_published_values_and_exact_zeros(name: str, published: list[float]) -> None:
    scores = torch.tensor([[[-2.0, 0.0, 0.5]]], dtype=torch.float64)
    weights, _ = build("normalizer", name, 3)(scores, torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 1, 3), ())
    assert weights[0, 0].tolist() == pytest.approx(published, abs=5e-5)
    assert weights[0, 0, 0] == 0.0
    assert getattr(eq.normalizer, name)([-2.0, 0.0, 0.5]) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sparse_weights_are_finite_for_extreme_scores(name: str, dtype: torch.dtype) -> None:
    lowest = torch.finfo(dtype).min
    scores = torch.tensor([[[1e30, 1e30 - 1, lowest]], [[0.5, 0.0, lowest]]], dtype=dtype, requires_grad=True)
    weights, _ = build("normalizer", name, 3)(scores, scores[:, 0] > lowest, torch.zeros(2, 1, 3), ())
    weights[..., 0].sum().backward()
    assert torch.isfinite(weights).all()
    assert torch.isfinite(scores.grad).all()
    assert (weights[..., 2] == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 1, dtype=dtype))


def test_a_v2b_window_starts_with_steps_of_one_and_a_width_of_ten() -> None:
    scorer = default_registry().find("scorer", "gmm").load()(3, 4, components=2, variant="v2b").double()
    fixed, state = scorer.start(torch.zeros(1, 30, 4, dtype=torch.float64), torch.ones(1, 30, dtype=torch.bool))
    scores, mu = scorer.score(torch.zeros(1, 1, 3, dtype=torch.float64), fixed, state)
    assert mu[0].tolist() == pytest.approx([1.0, 1.0])
    wanted = [-((j - 1) ** 2) / 200 - math.log(math.sqrt(200 * math.pi)) for j in range(1, 31)]
    assert scores[0, 0].tolist() == pytest.approx(wanted)
