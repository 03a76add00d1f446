"""Decoder inputs: teacher forcing, scheduled sampling, and their schedules."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

import seqtool
from seqtool.api import Batch
from seqtool.build.assembly import Assembly, assemble
from seqtool.nn.feeding import Feeding, draw_teacher_forced, gold_inputs, unroll_with_feeding
from seqtool.recipe import Variant

RECIPE = """\
seqtool: 1
name: fed
task: {type: copy, length: 5, min_length: 3, symbols: 4}
model:
  encoder: {type: rnn, cell: {type: gru, hidden_size: 7}}
  decoder: {type: attend_before, cell: {type: lstm, hidden_size: 6}, attention: {scorer: additive}}
train: {steps: 100}
variants:
  attentive: {}
  plain: {model: {decoder: {type: plain, cell: {type: gru, hidden_size: 7}}}}
  pointer: {model: {decoder: {type: pointer, cell: {type: gru, hidden_size: 6}, attention: {scorer: additive}}}}
  fed:
    model: {decoder: {type: attend_after, input_feeding: true, attentional_size: 3,
                      cell: {type: gru, hidden_size: 6}, attention: {scorer: {type: gmm, components: 2}}}}
"""
NAMES = ("attentive", "plain", "pointer", "fed")


def variant(tmp_path: Any, name: str = "attentive", *overrides: str) -> Variant:
    path = tmp_path / "fed.yaml"
    path.write_text(RECIPE)
    return seqtool.load_recipe(path, overrides=list(overrides)).variants[name]


def feeding(one: Variant) -> Callable[[int], Feeding]:
    return assemble(one, seed=0).feeding


def drawn(tmp_path: Any, name: str = "attentive") -> tuple[Assembly, Batch]:
    assembly = assemble(variant(tmp_path, name), seed=0)
    batch = assembly.task.batch("train", 0, seed=0, rank=0, batch_size=11, device=torch.device("cpu"))
    return assembly, batch


def test_gold_inputs_begin_with_the_start_symbol() -> None:
    assert gold_inputs(torch.tensor([[1, 2, 3], [4, 0, 0]]), 9).tolist() == [[9, 1, 2], [9, 4, 0]]
    assert gold_inputs(torch.tensor([[1]]), 9).tolist() == [[9]]


@pytest.mark.parametrize("name", NAMES)
def test_probability_one_is_teacher_forcing_bit_for_bit(tmp_path: Any, name: str) -> None:
    assembly, batch = drawn(tmp_path, name)
    state = torch.get_rng_state()
    logits, weights = assembly.model(batch)
    for per in ("token", "example"):
        again, again_weights = assembly.model(batch, Feeding(1.0, per))
        assert torch.equal(logits, again)
        assert (weights is None and again_weights is None) or torch.equal(weights, again_weights)
    assert torch.equal(state, torch.get_rng_state()), "without alternatives nothing is drawn"


@pytest.mark.parametrize("name", NAMES)
def test_the_loop_with_gold_inputs_equals_teacher_forcing(tmp_path: Any, name: str) -> None:
    assembly, batch = drawn(tmp_path, name)
    model = assembly.model.double()
    gold = gold_inputs(batch.target, model.target_vocabulary.start)
    fixed, state = model.start(batch.source, batch.source_mask)
    logits, weights = unroll_with_feeding(model, gold, torch.ones_like(gold, dtype=torch.bool), fixed, state)
    wanted, wanted_weights = model(batch)
    torch.testing.assert_close(logits, wanted, rtol=1e-6, atol=1e-6)
    if weights is None:
        assert wanted_weights is None
    else:
        torch.testing.assert_close(weights, wanted_weights, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("per", ["token", "example"])
@pytest.mark.parametrize("name", NAMES)
def test_probability_zero_is_free_running(tmp_path: Any, name: str, per: Any) -> None:
    assembly, batch = drawn(tmp_path, name)
    steps = batch.target.shape[1]
    found = assembly.search.search(assembly.model, batch.source, batch.source_mask, steps)
    logits, weights = assembly.model(batch, Feeding(0.0, per))
    assert torch.equal(logits.argmax(-1), found.ids[:, 0])
    assert weights is None or torch.equal(weights, found.weights[:, 0])
    taught = assembly.model(batch)[0]
    assert not torch.allclose(logits[:, 1:], taught[:, 1:]), "or this test cannot fail"


def test_sampled_symbols_pass_no_gradient_and_other_inputs_do(tmp_path: Any) -> None:
    assembly, batch = drawn(tmp_path)
    logits, _ = assembly.model(batch, Feeding(0.5))
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in assembly.model.parameters())


def test_draws_are_per_token_or_example_with_the_given_probability() -> None:
    gold = torch.zeros(4000, 7, dtype=torch.int64)
    torch.manual_seed(0)
    token, example = draw_teacher_forced(Feeding(0.3), gold), draw_teacher_forced(Feeding(0.3, "example"), gold)
    for taught in (token, example):
        assert taught.shape == gold.shape
        assert taught.double().mean().item() == pytest.approx(0.3, abs=0.03)
    assert ((example == example[:, :1]).all(1)).all()
    assert (token == token[:, :1]).all(1).double().mean() < 0.2
    torch.manual_seed(0)
    assert torch.equal(token, draw_teacher_forced(Feeding(0.3), gold))


@pytest.mark.parametrize(
    ("schedule", "steps", "wanted"),
    [
        ("{type: constant, value: 0.25}", (0, 50, 99), (0.25, 0.25, 0.25)),
        ("{type: constant, value: 3}", (0,), (1.0,)),
        ("{type: linear, end: 0.2}", (0, 25, 50, 100, 200), (1.0, 0.8, 0.6, 0.2, 0.2)),
        ("{type: exponential, gamma: 0.5, every: 10}", (0, 10, 20, 25), (1.0, 0.5, 0.25, 0.25 / math.sqrt(2))),
        ("{type: exponential, gamma: 0.9}", (0, 1, 2), (1.0, 0.9, 0.81)),
        ("{type: inverse_sigmoid, k: 1}", (0, 1), (1 / 2, 1 / (1 + math.e))),
        ("{type: inverse_sigmoid, k: 10}", (0, 10, 100000), (10 / 11, 10 / (10 + math.e), 0.0)),
    ],
)
def test_schedules(tmp_path: Any, schedule: str, steps: tuple[int, ...], wanted: tuple[float, ...]) -> None:
    found = feeding(variant(tmp_path, "attentive", f"train.scheduled_sampling={{schedule: {schedule}, per: example}}"))
    assert [found(step).probability for step in steps] == pytest.approx(wanted)
    assert found(0).per == "example"


def test_inverse_sigmoid_is_one_half_at_k_log_k(tmp_path: Any) -> None:
    found = feeding(
        variant(tmp_path, "attentive", "train.scheduled_sampling={schedule: {type: inverse_sigmoid, k: 1000}}")
    )
    assert found(round(1000 * math.log(1000))).probability == pytest.approx(0.5, abs=1e-3)


def test_no_option_is_teacher_forcing(tmp_path: Any) -> None:
    assert feeding(variant(tmp_path))(10**6) == Feeding(1.0)
