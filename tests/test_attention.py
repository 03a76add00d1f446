"""Attention: masks, heads, loops, energies, and contexts computed by loops."""

from functools import partial
from typing import Any

import pytest
import torch
from attention_fakes import Bilinear, Gated, LocationAware, Window
from torch import Tensor

from seqtool import equations as eq
from seqtool.api import tree
from seqtool.errors import PartError
from seqtool.nn.attention import Attention, AttentionState
from seqtool.parts.tree import Tree
from seqtool.testing import STAND_INS, check_attention, check_normalizer, check_scorer

LENGTHS = (7, 1, 0, 4, 6)
BATCH, SOURCE, STEPS, QUERY, MEMORY = 5, 7, 3, 6, 4


def build(*, scorer: Any = Bilinear, normalizer: Any = STAND_INS["normalizer"], heads: int = 1) -> Attention:
    torch.manual_seed(0)
    return Attention(QUERY, MEMORY, scorer=scorer, normalizer=normalizer, heads=heads).double()


def given() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(BATCH, STEPS, QUERY, generator=generator, dtype=torch.float64)
    memory = torch.randn(BATCH, SOURCE, MEMORY, generator=generator, dtype=torch.float64)
    return query, memory, torch.arange(SOURCE) < torch.tensor(LENGTHS)[:, None]


def assert_close(found: Tensor, wanted: Any) -> None:
    expected = torch.tensor(wanted, dtype=torch.float64).reshape(found.shape)
    torch.testing.assert_close(found.detach(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("scorer", [Bilinear, LocationAware, STAND_INS["scorer"]])
@pytest.mark.parametrize("normalizer", [STAND_INS["normalizer"], Gated])
@pytest.mark.parametrize("heads", [1, 2])
def test_contract(scorer: Any, normalizer: Any, heads: int) -> None:
    check_attention(partial(Attention, scorer=scorer, normalizer=normalizer, heads=heads))


def test_fakes_keep_their_contracts() -> None:
    check_scorer(LocationAware)
    check_normalizer(Gated)


def test_context_equals_loops() -> None:
    attention, (query, memory, mask) = build(), given()
    context, weights, state = attention(query, *attention.start(memory, mask))
    assert state == AttentionState(((),), ())
    w = attention.scorers[0].map.weight.tolist()
    for row, length in enumerate(LENGTHS):
        h = memory[row, :length].tolist()
        for step, s in enumerate(query[row].tolist()):
            c, a = eq.attention.attend(partial(eq.scorer.general, w=w), eq.normalizer.softmax, s, h, h, MEMORY)
            assert_close(context[row, step], c)
            assert_close(weights[row, 0, step], a + [0.0] * (SOURCE - length))


@pytest.mark.parametrize("heads", [1, 2])
def test_heads_equal_a_loop_over_heads(heads: int) -> None:
    attention = build(heads=heads)
    if heads == 1:
        assert not hasattr(attention, "query_map")
        return
    query, memory, mask = given()
    context, weights, _ = attention(query, *attention.start(memory, mask))
    w = attention.scorers[0].map.weight.tolist()
    maps = {name: getattr(attention, f"{name}_map").weight.tolist() for name in ("query", "key", "value")}
    output = attention.context_map.weight.tolist()

    def head(s: list[float], keys: Any, values: Any) -> Any:
        return eq.attention.attend(
            partial(eq.scorer.general, w=w), eq.normalizer.softmax, s, keys, values, MEMORY // heads
        )

    for row, length in enumerate(LENGTHS):
        h = memory[row, :length].tolist()
        for step, s in enumerate(query[row].tolist()):
            c, a = eq.attention.heads([head] * heads, s, h, **maps, output=output)
            assert_close(context[row, step], c)
            assert_close(weights[row, :, step], [one + [0.0] * (SOURCE - length) for one in a])


@pytest.mark.parametrize("normalizer", [STAND_INS["normalizer"], Gated])
def test_padding_values_have_no_effect(normalizer: Any) -> None:
    attention, (query, memory, mask) = build(normalizer=normalizer), given()
    before = attention(query, *attention.start(memory, mask))
    hostile = memory.masked_fill(~mask[:, :, None], 1e9)
    after = attention(query, *attention.start(hostile, mask))
    for one, other in zip(before[:2], after[:2], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    assert not after[0][2].any()
    assert not after[1].movedim(3, 1)[~mask].any()


@pytest.mark.parametrize("heads", [1, 2])
def test_location_aware_equals_loops(heads: int) -> None:
    attention, (query, memory, mask) = build(scorer=LocationAware, heads=heads), given()
    assert not attention.parallel
    fixed, state = attention.start(memory, mask)
    context, weights, last = attention(query, fixed, state)
    for step in range(STEPS):
        one, one_weights, state = attention(query[:, step : step + 1], fixed, state)
        torch.testing.assert_close(one, context[:, step : step + 1])
        torch.testing.assert_close(one_weights, weights[:, :, step : step + 1])
    torch.testing.assert_close(state, last)
    torch.testing.assert_close(last.scorers[0].reshape(BATCH, heads, SOURCE), weights[:, :, -1])
    if heads > 1:
        return
    w, gain = attention.scorers[0].map.weight.tolist(), attention.scorers[0].gain.item()
    for row, length in enumerate(LENGTHS):
        h = memory[row, :length].tolist()
        seen = [1 / length] * length if length else []
        for step, s in enumerate(query[row].tolist()):
            scores = [e + gain * a for e, a in zip(eq.scorer.general(s, h, w=w), seen, strict=True)]
            seen = eq.normalizer.softmax(scores)
            assert_close(weights[row, 0, step, :length], seen)


def test_two_energies_equal_loops() -> None:
    attention, (query, memory, mask) = build(normalizer=Gated), given()
    assert len(attention.scorers) == 2
    assert not attention.parallel
    _, weights, state = attention(query, *attention.start(memory, mask))
    last = state.normalizer
    maps = [scorer.map.weight.tolist() for scorer in attention.scorers]
    assert maps[0] != maps[1]
    for row, length in enumerate(LENGTHS):
        h, before = memory[row, :length].tolist(), [0.0] * length
        for step, s in enumerate(query[row].tolist()):
            first, second = (eq.scorer.general(s, h, w=w) for w in maps)
            gates = [eq.vectors.sigmoid(e) for e in second]
            before = [a * g + b / 2 for a, g, b in zip(eq.normalizer.softmax(first), gates, before, strict=True)]
            assert_close(weights[row, 0, step, :length], before)
        assert_close(last[row, :length], before)


def test_two_energies_have_independent_windows() -> None:
    check_scorer(Window)
    attention, (query, memory, mask) = build(scorer=Window, normalizer=Gated), given()
    _, weights, state = attention(query, *attention.start(memory, mask))
    speeds = [scorer.speed.weight[0].tolist() for scorer in attention.scorers]
    for row, length in enumerate(LENGTHS):
        moved, before = [0.0, 0.0], [0.0] * length
        for step, s in enumerate(query[row].tolist()):
            moved = [m + eq.vectors.inner(v, s) for m, v in zip(moved, speeds, strict=True)]
            first, second = ([-((j - m) ** 2) for j in range(length)] for m in moved)
            gates = [eq.vectors.sigmoid(e) for e in second]
            before = [a * g + b / 2 for a, g, b in zip(eq.normalizer.softmax(first), gates, before, strict=True)]
            assert_close(weights[row, 0, step, :length], before)
        for mean, wanted in zip(state.scorers, moved, strict=True):
            assert_close(mean[row], wanted)


def test_heads_of_a_scorer_without_memory_project_no_keys() -> None:
    attention, (query, memory, mask) = build(scorer=Window, heads=2), given()
    context, _, _ = attention(query, *attention.start(memory, mask))
    context.sum().backward()
    assert all(parameter.grad is not None for parameter in attention.parameters())


def test_each_energy_of_a_stateful_scorer_has_its_own_state() -> None:
    attention, (query, memory, mask) = build(scorer=LocationAware, normalizer=Gated, heads=2), given()
    fixed, state = attention.start(memory, mask)
    assert (len(fixed.scorers), len(state.scorers)) == (2, 2)
    _, weights, after = attention(query, fixed, state)
    for observed in tree.leaves(after):
        torch.testing.assert_close(observed, weights[:, :, -1])


@pytest.mark.parametrize(
    ("scorer", "normalizer", "parallel"),
    [
        (Bilinear, STAND_INS["normalizer"], True),
        (LocationAware, STAND_INS["normalizer"], False),
        (Bilinear, Gated, False),
    ],
)
def test_parallel_requires_parallel_scorer_and_normalizer(scorer: Any, normalizer: Any, parallel: bool) -> None:
    assert build(scorer=scorer, normalizer=normalizer).parallel is parallel


def test_parallel_attention_scores_once() -> None:
    calls = []

    class Counting(Bilinear):
        def score(self, query: Tensor, fixed: Tree, state: Tree) -> tuple[Tensor, Tree]:
            calls.append(query.shape[1])
            return super().score(query, fixed, state)

    attention, (query, memory, mask) = build(scorer=Counting), given()
    attention(query, *attention.start(memory, mask))
    assert calls == [STEPS]


@pytest.mark.parametrize(("heads", "fits"), [(1, True), (2, True), (3, False), (4, False), (6, False)])
def test_heads_divide_both_sizes(heads: int, fits: bool) -> None:
    if fits:
        assert build(heads=heads).num_heads == heads
        return
    with pytest.raises(
        PartError, match=f"{heads} heads do not divide the query size 6 and the memory size 4"
    ) as caught:
        build(heads=heads)
    assert caught.value.option == "heads"


def test_normalizer_of_log_weights_warns_about_other_scorers() -> None:
    class Powers(STAND_INS["normalizer"]):  # type: ignore[misc]
        log_weights = True

    class Windowed(Bilinear):
        log_weights = True

    with pytest.warns(UserWarning, match="Powers takes scores as logarithms of weights, which Bilinear does not"):
        build(normalizer=Powers)
    build(scorer=Windowed, normalizer=Powers)
