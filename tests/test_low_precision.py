"""Counters and positions stay exact in bfloat16, which cannot count beyond 256."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import seqtool
from seqtool.testing.stand_ins import StandInCell
from seqtool_encoders.sinusoids import sinusoids
from seqtool_training.attention_losses import relative_position

STEPS, SOURCE = 300, 600
HALF = torch.bfloat16


def memory(size: int = 8) -> tuple[Tensor, Tensor]:
    return torch.zeros(1, SOURCE, size, dtype=HALF), torch.ones(1, SOURCE, dtype=torch.bool)


@pytest.mark.parametrize("stride", [1, STEPS])
def test_local_m_is_centred_on_its_position(stride: int) -> None:
    part = seqtool.make("normalizer/local_m", 8, half_width=2).to(HALF)
    state, found = part.start(*memory()), []
    for start in range(0, STEPS, stride):
        assert state.tolist() == [start]
        scores, query = torch.zeros(1, stride, SOURCE, dtype=HALF), torch.zeros(1, stride, 8, dtype=HALF)
        weights, state = part(scores, memory()[1], query, state)
        found.append(weights)
    assert weights.dtype == HALF
    for step, row in enumerate(torch.cat(found, 1)[0], 1):
        wanted = [j - 1 for j in range(step - 2, step + 3) if j >= 1]
        assert row.nonzero().flatten().tolist() == wanted


@pytest.mark.parametrize("position", [100, 301, 599])
def test_local_p_is_centred_on_its_prediction(position: int) -> None:
    part = seqtool.make("normalizer/local_p", 8, half_width=4).to(HALF)
    with torch.no_grad():
        part.map.weight.fill_(1.0)
        part.vector.weight.fill_(math.log(position / (SOURCE - position)) / 8)
    query = torch.full((1, 1, 8), 9.0, dtype=HALF)
    weights, _ = part(torch.zeros(1, 1, SOURCE, dtype=HALF), memory()[1], query, ())
    share = torch.sigmoid(part.vector(torch.tanh(part.map(query))))
    centre = SOURCE * share.item()
    wanted = [j - 1 for j in range(1, SOURCE + 1) if abs(j - centre) <= 4]
    assert weights[0, 0].nonzero().flatten().tolist() == wanted


def window(dtype: torch.dtype) -> Any:
    """Gaussians whose means move by exactly one position per step."""
    part = seqtool.make("attention", 8, 8, scorer={"type": "gmm", "components": 2}, normalizer="exp").to(dtype)
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.zero_()
    return part


@pytest.mark.parametrize("stride", [1, STEPS])
def test_gmm_moves_one_position_per_step(stride: int) -> None:
    part = window(HALF)
    fixed, state = part.start(*memory())
    assert fixed.scorers[0].tolist() == [list(range(1, SOURCE + 1))]
    for start in range(0, STEPS, stride):
        assert state.scorers[0].tolist() == [[start, start]]
        _, weights, state = part(torch.zeros(1, stride, 8, dtype=HALF), fixed, state)
    assert state.scorers[0].dtype == torch.float32
    assert state.scorers[0].tolist() == [[STEPS, STEPS]]
    assert weights[0, 0, -1].argmax().item() == STEPS - 1


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
def test_gmm_moves_one_position_per_step_under_autocast(dtype: torch.dtype) -> None:
    part = window(torch.float32)
    with torch.autocast("cpu", dtype=HALF):
        fixed, state = part.start(memory()[0].to(dtype), memory()[1])
        _, weights, state = part(torch.zeros(1, STEPS, 8, dtype=dtype), fixed, state)
    assert state.scorers[0].tolist() == [[STEPS, STEPS]]
    assert weights[0, 0].argmax(1).tolist() == list(range(STEPS))


def test_phased_lstm_counts_its_steps() -> None:
    cell = seqtool.make("cell/phased_lstm", 4, hidden_size=6, max_period=5.0, open_ratio=0.5).to(HALF)
    exact = seqtool.make("cell/phased_lstm", 4, hidden_size=6).double()
    exact.load_state_dict(cell.state_dict())
    x = torch.zeros(2, STEPS, 4, dtype=HALF)
    outputs, state = cell.unroll(x, torch.arange(STEPS) < torch.tensor([[STEPS], [7]]), *cell.start(2, x))
    assert outputs.dtype == state.h.dtype == HALF
    assert state.t.tolist() == [STEPS, 7]
    for step in (STEPS, STEPS + 1):
        state = state._replace(t=torch.tensor([step, 7]))
        found = cell.gates(x[:, 0], (), state)["time"]
        wanted = exact.gates(x[:, 0].double(), (), state._replace(h=state.h.double()))["time"]
        torch.testing.assert_close(found.double(), wanted, atol=0.02, rtol=0)


def test_sinusoids_are_rounded_once() -> None:
    found = sinusoids(torch.zeros(1, SOURCE, 10, dtype=HALF))
    assert found.dtype == HALF
    wanted = [
        [(math.sin, math.cos)[column % 2](j / 10000 ** (column // 2 * 2 / 10)) for column in range(10)]
        for j in range(SOURCE)
    ]
    torch.testing.assert_close(found.double(), torch.tensor(wanted, dtype=torch.float64), atol=2**-8, rtol=0)


def test_guided_attention_compares_exact_positions() -> None:
    mask = torch.ones(1, SOURCE, dtype=torch.bool)
    relative = relative_position(mask, torch.zeros(1, dtype=HALF))
    assert (relative[0] * SOURCE).round().tolist() == list(range(SOURCE))


def test_a_counter_of_a_cell_counts_in_any_precision() -> None:
    cell = StandInCell(3).to(HALF)
    x = torch.zeros(1, STEPS, 3, dtype=HALF)
    _, state = cell.unroll(x, torch.ones(1, STEPS, dtype=torch.bool), *cell.start(1, x))
    assert state.steps.tolist() == [STEPS]
