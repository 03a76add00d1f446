"""Monotonic attention compared with an enumeration of all hard paths and with loops; noise; hard choices."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oracle import build
from torch import Tensor

from seqtool import equations as eq
from seqtool.equations.vectors import Matrix, Vector, sigmoid
from seqtool_attention.monotonic import Monotonic
from seqtool_attention.recurrence import linear_recurrence

Path = tuple[int, ...]
SOURCE, STEPS = 4, 3


def marginals(paths: dict[Path, float], step: int) -> Vector:
    """The probability of each position at a step."""
    return [sum(chance for path, chance in paths.items() if path[step] == j) for j in range(SOURCE)]


def monotonic_paths(p: Matrix) -> dict[Path, float]:
    """All paths: a step selects a position from the previous one on; SOURCE means none from this step on."""
    paths: dict[Path, float] = {}
    for path in itertools.product(range(SOURCE + 1), repeat=len(p)):
        chance, last = 1.0, 0
        for row, j in zip(p, path, strict=True):
            tried = math.prod(1 - row[k] for k in range(last, j))
            if last == SOURCE:
                chance *= j == SOURCE
            else:
                chance *= (j >= last) * tried * (row[j] if j < SOURCE else 1.0)
            last = j
        paths[path] = chance
    return paths


def stepwise_paths(p: Matrix) -> dict[Path, float]:
    """All paths that stay or advance by one; at the last position all stay."""
    paths: dict[Path, float] = {}
    for moves in itertools.product((0, 1), repeat=len(p)):
        chance, at, path = 1.0, 0, []
        for row, move in zip(p, moves, strict=True):
            stay = row[at] if at < SOURCE - 1 else 1.0
            chance *= 1 - stay if move else stay
            at += move
            path.append(at)
        paths[tuple(path)] = chance
    return paths


def forward_paths(y: Matrix, u: Vector) -> dict[Path, float]:
    """All paths that stay or advance by one, weighted by the product of their factors; weights need not sum to one."""
    paths: dict[Path, float] = {}
    for moves in itertools.product((0, 1), repeat=len(y)):
        chance, at, path = 1.0, 0, []
        for row, move, ahead in zip(y, moves, u, strict=True):
            at += move
            chance *= (ahead if move else 1 - ahead) * (row[at] if at < SOURCE else 0.0)
            path.append(at)
        paths[tuple(path)] = chance
    return paths


def run(part: Any, scores: Tensor, query: Tensor) -> Tensor:
    """`scores [B, E, T, S]` -> `weights [B, T, S]`, step by step without padding."""
    real = torch.ones(len(scores), scores.shape[3], dtype=torch.bool)
    state, steps = part.start(query, real), []
    for step in range(scores.shape[2]):
        some = scores[:, :, step : step + 1]
        energies = some if part.num_energies > 1 else some[:, 0]
        weights, state = part(energies, real, query[:, step : step + 1], state)
        steps.append(weights)
    return torch.cat(steps, 1)


def given(energies: int = 1, source: int = SOURCE) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = 2 * torch.randn(3, energies, STEPS, source, generator=generator, dtype=torch.float64)
    return scores, torch.randn(3, STEPS, 3, generator=generator, dtype=torch.float64)


def chances(part: Any, row: Tensor) -> Matrix:
    bias = part.bias.item() if hasattr(part, "bias") else 0.0
    return [[sigmoid(e + bias) for e in step] for step in row.tolist()]


@pytest.mark.parametrize(
    ("name", "enumerate_paths"), [("monotonic", monotonic_paths), ("stepwise_monotonic", stepwise_paths)]
)
def test_soft_weights_equal_marginals_of_all_hard_paths(
    name: str, enumerate_paths: Callable[[Matrix], dict[Path, float]]
) -> None:
    part, (scores, query) = build("normalizer", name, 3).eval(), given()
    weights = run(part, scores, query)
    for row in range(len(scores)):
        paths = enumerate_paths(chances(part, scores[row, 0]))
        assert sum(paths.values()) == pytest.approx(1, abs=1e-12)
        for step in range(STEPS):
            assert weights[row, step].tolist() == pytest.approx(marginals(paths, step), abs=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, SOURCE + 2])
def test_mocha_equals_the_mean_over_chunks_of_all_hard_paths(width: int) -> None:
    part, (scores, query) = build("normalizer", "mocha", 3, width=width).eval(), given(energies=2)
    weights = run(part, scores, query)
    for row in range(len(scores)):
        paths = monotonic_paths(chances(part, scores[row, 0]))
        for step in range(STEPS):
            wanted = [0.0] * SOURCE
            for path, chance in paths.items():
                chunk = range(max(0, path[step] - width + 1), path[step] + 1) if path[step] < SOURCE else ()
                powers = [math.exp(scores[row, 1, step, j]) for j in chunk]
                for j, power in zip(chunk, powers, strict=True):
                    wanted[j] += chance * power / sum(powers)
            assert weights[row, step].tolist() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("agent", [False, True])
def test_forward_weights_are_proportions_of_all_paths(agent: bool) -> None:
    part, (scores, query) = build("normalizer", "forward", 3, agent=agent), given()
    weights = run(part, scores, query)
    said = torch.sigmoid(part.agent(query)).squeeze(2).tolist() if agent else [[0.5] * STEPS] * len(scores)
    for row in range(len(scores)):
        y, u = [eq.normalizer.softmax(e) for e in scores[row, 0].tolist()], [0.5, *said[row][:-1]]
        for step in range(STEPS):
            paths = forward_paths(y[: step + 1], u[: step + 1])
            wanted = [chance / sum(paths.values()) for chance in marginals(paths, step)]
            assert weights[row, step].tolist() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("source", [1, 2, 60, 63, 500])
@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
def test_monotonic_equals_a_loop_for_long_sources(source: int, scale: float) -> None:
    part, (scores, query) = build("normalizer", "monotonic", 3, bias=-3.0).eval(), given(source=source)
    scores = (scale * scores).requires_grad_()
    weights = run(part, scores, query)
    for row in range(len(scores)):
        before = [1.0] + [0.0] * (source - 1)
        for step, p in enumerate(chances(part, scores[row, 0])):
            before = eq.normalizer.monotonic(p, before)
            assert weights[row, step].tolist() == pytest.approx(before, abs=1e-9, rel=1e-9)
    weights.sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_float32_is_accurate_for_long_sources() -> None:
    generator = torch.Generator().manual_seed(1)
    energies = 8 * torch.randn(4, 1, 20, 500, generator=generator, dtype=torch.float64)
    query = torch.zeros(4, 20, 3)
    part = Monotonic(3, bias=-8.0).eval()
    torch.testing.assert_close(
        run(part, energies.float(), query), run(part.double(), energies, query.double()).float(), atol=1e-6, rtol=2e-4
    )


@pytest.mark.parametrize("length", [1, 2, 7, 64])
def test_recurrence_and_gradients_equal_those_of_a_loop(length: int) -> None:
    generator = torch.Generator().manual_seed(0)
    decay, value = (torch.rand(2, 3, length, generator=generator, dtype=torch.float64) for _ in range(2))
    decay[0, 0] = 0
    decay[1, 1] = 1
    arguments = decay.requires_grad_(), value.requires_grad_()
    x, steps = torch.zeros(2, 3, dtype=torch.float64), []
    for j in range(length):
        x = decay[..., j] * x + value[..., j]
        steps.append(x)
    weights = torch.randn(2, 3, length, generator=generator, dtype=torch.float64)
    found, wanted = linear_recurrence(*arguments), torch.stack(steps, 2)
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-12)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), arguments),
        torch.autograd.grad((wanted * weights).sum(), arguments),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
    if length < 10:
        assert torch.autograd.gradgradcheck(linear_recurrence, arguments)


@pytest.mark.parametrize("name", ["monotonic", "mocha", "stepwise_monotonic"])
def test_noise_is_drawn_only_in_training_from_torchs_generator(name: str) -> None:
    part = build("normalizer", name, 3, noise=2.0)
    scores, query = given(part.num_energies)

    def seeded(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return run(part, scores, query)

    part.train()
    assert torch.equal(seeded(0), seeded(0))
    assert not torch.equal(seeded(0), seeded(1))
    part.eval()
    assert torch.equal(seeded(0), seeded(1))
    part.train().noise = 0.0
    quiet = seeded(0)
    torch.testing.assert_close(part.eval() and seeded(1), quiet)


@pytest.mark.parametrize("name", ["monotonic", "mocha", "stepwise_monotonic"])
def test_hard_choices_equal_soft_weights_of_extreme_energies(name: str) -> None:
    """If every p is 0 or 1, both are equal; a trained model's probabilities are close to that."""
    soft, hard = (build("normalizer", name, 3, inference=how).eval() for how in ("soft", "hard"))
    scores, query = given(soft.num_energies)
    sure = scores.clone()
    sure[:, 0] = 1e4 * (scores[:, 0] + getattr(hard, "bias", 0.0))
    torch.testing.assert_close(run(hard, scores, query), run(soft, sure, query))
    chosen = run(hard, scores, query)
    if name != "mocha":
        assert set(chosen.unique().tolist()) <= {0.0, 1.0}
    assert (chosen.sum(2) <= 1 + 1e-12).all()
    moves = chosen.argmax(2)
    if name == "stepwise_monotonic":
        assert set((moves[:, 1:] - moves[:, :-1]).unique().tolist()) <= {0, 1}


@pytest.mark.parametrize("name", ["monotonic", "mocha", "stepwise_monotonic"])
def test_training_is_always_soft(name: str) -> None:
    soft, hard = (build("normalizer", name, 3, inference=how, noise=0.0).train() for how in ("soft", "hard"))
    scores, query = given(soft.num_energies)
    assert torch.equal(run(hard, scores, query), run(soft, scores, query))


def test_hard_monotonic_choices_by_hand() -> None:
    """The first position, from the previous one on, whose energy is above zero, or none."""
    part = Monotonic(3, bias=0.0, inference="hard").eval()
    energies = [[-1.0, 2.0, 1.0, -1.0], [3.0, -1.0, -1.0, 0.5], [1.0, 1.0, 1.0, -0.5], [1.0, 1.0, 1.0, 1.0]]
    weights = run(part, torch.tensor([[energies]]), torch.zeros(1, 4, 3))
    assert weights[0].tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_initial_monotonic_attention_reaches_far_only_with_a_low_bias() -> None:
    def reached(bias: float) -> float:
        weights = run(Monotonic(3, bias=bias).eval(), torch.zeros(1, 1, 1, 60), torch.zeros(1, 1, 3))
        return float(weights[0, 0, 30:].detach().sum())

    assert reached(0.0) < 1e-8
    assert reached(-4.0) > 0.2
