"""Gates of cells: a step computed from them equals the cell's step."""

import math

import pytest
import torch
from cell_oracle import BATCH, SCANS, affines, state_of
from oracle import assert_close, build, gates, randn
from registered import names, wraps_cell

from seqtool import equations as eq
from seqtool.equations.vectors import apply
from seqtool.parts.cell import Cell


@pytest.mark.parametrize("name", [name for name in names("cell") if not wraps_cell(name)])
def test_gates_are_proportions_of_every_unit(name: str) -> None:
    cell = build("cell", name, 3, hidden_size=5)
    fixed, state = cell.start(BATCH, randn(BATCH, 3))
    gates_of = cell.gates(randn(BATCH, 3), fixed, state)
    assert bool(gates_of) == (type(cell).gates is not Cell.gates)
    for gate in gates_of.values():
        assert gate.shape == (BATCH, 5)
        assert ((gate >= 0) & (gate <= 1)).all()


@pytest.mark.parametrize("name", ["lstm", "peephole_lstm", "layer_norm_lstm"])
def test_lstm_step_computed_from_its_gates(name: str) -> None:
    cell = build("cell", name, 3, hidden_size=5)
    x, state = randn(BATCH, 3), state_of(cell)
    h, c = state
    _, (new_h, new_c) = cell.step(x, (), state)
    said = cell.gates(x, (), state)
    assert list(said) == ["input", "forget", "output"]
    sums = cell._projections(x, h)[2] if name == "layer_norm_lstm" else None
    if sums is None:
        gate = gates(cell)[2]
        sums = torch.tensor([gate(*row) for row in zip(x.tolist(), h.tolist(), strict=True)], dtype=torch.float64)
    kept = said["forget"] * c + said["input"] * sums.tanh()
    assert_close(kept, new_c.tolist())
    shown = cell.norm(kept) if name == "layer_norm_lstm" else kept
    assert_close(said["output"] * shown.tanh(), new_h.tolist())


def test_gru_step_computed_from_its_gates() -> None:
    cell = build("cell", "gru", 3, hidden_size=5)
    x, h = randn(BATCH, 3), state_of(cell)
    said = cell.gates(x, (), h)
    assert list(said) == ["reset", "update"]
    seen = x @ cell.weight_ih[10:].T + cell.bias_ih[10:]
    new = torch.tanh(seen + said["reset"] * (h @ cell.weight_hh[10:].T + cell.bias_hh[10:]))
    assert_close((1 - said["update"]) * new + said["update"] * h, cell.step(x, (), h)[0].tolist())


def test_layer_norm_gru_step_computed_from_its_gates() -> None:
    cell = build("cell", "layer_norm_gru", 3, hidden_size=5)
    x, h = randn(BATCH, 3), state_of(cell)
    said = cell.gates(x, (), h)
    norm_w, norm_u = (
        eq.cell.Norm(gain[10:].tolist(), bias[10:].tolist())
        for gain, bias in ((cell.gain_ih, cell.bias_ih), (cell.gain_hh, cell.bias_hh))
    )
    sums = eq.cell.NormedSums(cell.weight_ih[10:].tolist(), cell.weight_hh[10:].tolist(), norm_w, norm_u)
    seen, remembered = sums(x[1].tolist(), h[1].tolist())
    reset, update = (said[name][1].tolist() for name in ("reset", "update"))
    new = [math.tanh(a + r * b) for a, r, b in zip(seen, reset, remembered, strict=True)]
    assert_close(cell.step(x, (), h)[0][1], eq.cell.interpolate(update, h[1].tolist(), new))


@pytest.mark.parametrize("name", SCANS)
def test_minimal_cell_step_computed_from_its_gates(name: str) -> None:
    cell = build("cell", name, 3, hidden_size=5)
    x, h = randn(BATCH, 3), state_of(cell)
    said = cell.gates(x, (), h)
    share = said["update" if name == "min_gru" else "input"]
    new = torch.tensor([apply(eq.cell.positive, affines(cell)[-1](row)) for row in x.tolist()], dtype=torch.float64)
    assert_close((1 - share) * h + share * new, cell.step(x, (), h)[0].tolist())


def test_phased_lstm_step_computed_from_its_gates() -> None:
    cell = build("cell", "phased_lstm", 3, hidden_size=5, open_ratio=0.5)
    x, state = randn(BATCH, 3), state_of(cell)
    h, c, t = state
    said = cell.gates(x, (), state)
    gate = gates(cell)[2]
    sums = torch.tensor([gate(*row) for row in zip(x.tolist(), h.tolist(), strict=True)], dtype=torch.float64)
    new_c = said["forget"] * c + said["input"] * sums.tanh()
    k = said["time"]
    _, (after_h, after_c, after_t) = cell.step(x, (), state)
    assert_close(k * new_c + (1 - k) * c, after_c.tolist())
    assert_close(k * said["output"] * new_c.tanh() + (1 - k) * h, after_h.tolist())
    assert_close(t + 1, after_t.tolist())
