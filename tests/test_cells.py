"""Minimal cells in parallel over a sequence, the periods of the phased LSTM, and initial gradients of every cell."""

from functools import partial

import pytest
import torch
from cell_oracle import ALL_CELLS, BATCH, SCANS, loop
from oracle import assert_close, build, randn

from seqtool import equations as eq
from seqtool.api import PartError
from seqtool.equations.vectors import sigmoid
from seqtool.registry import Registered, default_registry
from seqtool.testing import example_options
from seqtool_cells.linear_scan import linear_scan


@pytest.mark.parametrize("length", [1, 2, 3, 63, 64])
def test_scan_equals_its_recurrence(length: int) -> None:
    keep, add, h = randn(2, length, 3).sigmoid(), randn(2, length, 3), randn(2, 3)
    found = linear_scan(keep, add, h)
    for step in range(length):
        h = keep[:, step] * h + add[:, step]
        torch.testing.assert_close(found[:, step], h, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("length", [1, 2, 63])
@pytest.mark.parametrize("size", [1.0, 1e4])
@pytest.mark.parametrize("candidate", ["positive", "linear"])
def test_unroll_by_scan_equals_steps(name: str, length: int, size: float, candidate: str) -> None:
    """Values and gradients with padding, from any state, negative ones included, with closed and open gates."""
    cell = build("cell", name, 3, hidden_size=5, candidate=candidate)
    real = torch.arange(length) < torch.tensor([length, 0, 1, (length + 1) // 2])[:, None]
    found = []
    for unroll in (cell.unroll, partial(loop, cell)):
        x, state = (size * randn(4, length, 3)).requires_grad_(), randn(4, 5).requires_grad_()
        outputs, last = unroll(x, real, (), state)
        total = (outputs * randn(4, length, 5)).sum() + (last * randn(4, 5)).sum()
        found.append((outputs, last, *torch.autograd.grad(total, [x, state, *cell.parameters()])))
    for scanned, stepped in zip(*found, strict=True):
        assert scanned.isfinite().all()
        torch.testing.assert_close(scanned, stepped, rtol=1e-10, atol=1e-10 * size)


@pytest.mark.parametrize("name", SCANS)
def test_candidate_of_minimal_cells(name: str) -> None:
    cell = build("cell", name, 3, hidden_size=5, candidate="linear")
    x, h = randn(BATCH, 3), randn(BATCH, 5)
    output, _ = cell.step(x, (), h)
    wanted, _ = ALL_CELLS[name](cell)(x[2].tolist(), (h[2].tolist(),))
    assert_close(output[2], wanted)
    assert (eq.cell.positive(0.0), eq.cell.positive(2.0), eq.cell.positive(-1e9)) == (0.5, 2.5, 0.0)


def test_minimal_gates_too_small_for_a_quotient() -> None:
    cell = build("cell", "min_lstm", 1, hidden_size=2)
    with torch.no_grad():
        cell.weight_ih.zero_()
        cell.bias_ih.copy_(torch.tensor([-2000.0, -2001.0, -2001.0, -2000.0, 0.0, 0.0]))
    share = cell.gates(torch.zeros(1, 1, dtype=torch.float64), (), ())["input"]
    assert_close(share[0], [sigmoid(1.0), sigmoid(-1.0)])


def test_time_gate_by_hand() -> None:
    rhythm = {"period": 8.0, "shift": 1.0, "ratio": 0.5, "leak": 0.1}
    found = [eq.cell.openness(t, **rhythm) for t in range(1, 10)]
    assert found == pytest.approx([0, 0.5, 1, 0.5, 0.1 * 4 / 8, 0.1 * 5 / 8, 0.1 * 6 / 8, 0.1 * 7 / 8, 0])


@pytest.mark.parametrize("options", [{"min_period": 3.0, "max_period": 2.0}, {"open_ratio": 1.0}, {"open_ratio": 0.0}])
def test_invalid_periods_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(PartError):
        build("cell", "phased_lstm", 3, hidden_size=5, **options)


@pytest.mark.parametrize("part", default_registry().parts("cell"), ids=lambda part: part.name)
@pytest.mark.parametrize("seed", range(3))
def test_initial_gradients_for_zero_vectors_are_finite(part: Registered, seed: int) -> None:
    """The alignment task consists mainly of zero vectors; a new cell must pass gradients through them."""
    torch.manual_seed(seed)
    cls = part.load()
    cell = cls(4, **example_options(cls))
    x = torch.zeros(2, 100, 4)
    x[:, -1, 1] = 1
    outputs, _ = cell.unroll(x, torch.ones(2, 100, dtype=torch.bool), *cell.start(2, x))
    outputs[:, -1].square().sum().backward()
    gradients = [parameter.grad for parameter in cell.parameters() if parameter.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)
