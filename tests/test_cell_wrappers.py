"""Cells that wrap cells: dropout, zoneout, stacks."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from cell_oracle import ALL_CELLS, BATCH, SCANS, loop, rows, slot, state_of
from oracle import LENGTHS, SOURCE, State, assert_close, build, mask, randn

from seqtool import equations as eq
from seqtool.api import PartError, state_layout, tree
from seqtool.equations.vectors import Vector
from seqtool.parts.types import Encoded
from seqtool.testing import STAND_INS
from seqtool_cells.lstm_state import LSTMState


@pytest.fixture(autouse=True)
def _own_stream() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def dropped(name: str, **rates: float) -> Any:
    return build("cell", "variational_dropout", 3, cell=slot(name, hidden_size=5), **rates)


def test_masks_are_drawn_once_per_sequence_with_the_given_rates() -> None:
    cell = build("cell", "variational_dropout", 200, cell=slot("rnn", hidden_size=300), input=0.3, recurrent=0.6)
    (x_mask, h_mask, _), _ = cell.start(100, torch.zeros(1))
    for found, rate in ((x_mask, 0.3), (h_mask, 0.6)):
        assert found.unique().tolist() == pytest.approx([0, 1 / (1 - rate)])
        # 20,000 and 30,000 draws: five standard deviations are below 0.018
        assert float((found == 0).double().mean()) == pytest.approx(rate, abs=0.018)
        assert not torch.equal(found[0], found[1])
    (again, _, _), _ = cell.start(100, torch.zeros(1))
    assert not torch.equal(again, x_mask)
    fixed, _ = cell.eval().start(100, torch.zeros(1))
    assert all(bool((x == 1).all()) for x in tree.leaves(fixed))


@pytest.mark.parametrize("name", ALL_CELLS)
@pytest.mark.parametrize("recurrent", [0.5, 0.0])
def test_dropout_masks_only_the_input_of_the_weights(name: str, recurrent: float) -> None:
    cell = dropped(name, input=0.5, recurrent=recurrent).train()
    x = randn(BATCH, SOURCE, 3)
    fixed, _ = cell.start(BATCH, x)
    state = state_of(cell)
    outputs, after = cell.unroll(x, mask(), fixed, state)
    stepped = loop(cell, x, mask(), fixed, state)
    torch.testing.assert_close((outputs, after), stepped, rtol=1e-10, atol=1e-10)
    step = masked_step(name, cell)
    for row, length in enumerate(LENGTHS):
        x_mask, h_mask = ([bool(kept) for kept in part[row]] for part in fixed[:2])
        plain = rows(state, row)
        for position in range(length):
            seen = eq.cell.variational_dropout(x[row, position].tolist(), x_mask, 0.5)
            output, plain = step(seen, eq.cell.variational_dropout(plain[0], h_mask, recurrent), plain)
            assert_close(outputs[row, position], output)
        for found, wanted in zip(tree.leaves(after), plain, strict=True):
            assert_close(found[row], wanted)


def masked_step(name: str, cell: Any) -> Any:
    """`(x, masked h, state) -> (output, state)`: a step that carries over the unmasked h."""
    plain = ALL_CELLS[name](cell.cell)

    def step(x: Vector, read: Vector, state: State) -> tuple[Vector, State]:
        if name in SCANS:
            return plain(x, state)
        output, (h, *rest) = plain(x, (read, *state[1:]))
        _, start = cell.cell.start(1, torch.zeros(1, dtype=torch.float64))
        given = [
            torch.tensor([part], dtype=leaf.dtype)
            for part, leaf in zip((read, *state[1:]), tree.leaves(start), strict=True)
        ]
        said = cell.cell.gates(torch.tensor([x], dtype=torch.float64), (), tree.rebuild(start, given))
        if name == "phased_lstm":
            carried = 1 - said["time"][0]
        elif name in ("gru", "layer_norm_gru"):
            carried = said["update"][0]
        else:
            return output, (h, *rest)
        both = zip(carried.tolist(), h, state[0], read, strict=True)
        h = [new + share * (old - seen) for share, new, old, seen in both]
        return h, (h, *rest)

    return step


@pytest.mark.parametrize("wrapper", ["variational_dropout", "zoneout"])
@pytest.mark.parametrize("training", [True, False])
def test_wrappers_with_rate_zero_equal_the_cell(wrapper: str, training: bool) -> None:
    rates = {"output": 0.0, "state": 0.0} if wrapper == "zoneout" else {}
    cell = build("cell", wrapper, 3, cell=STAND_INS["cell"], **rates).train(training)
    x = randn(BATCH, SOURCE, 3)
    fixed, state = cell.start(BATCH, x)
    inner = cell.cell.start(BATCH, x)[0]
    torch.testing.assert_close(
        cell.unroll(x, mask(), fixed, state), cell.cell.unroll(x, mask(), inner, state), rtol=0, atol=0
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["lstm", "phased_lstm"])
def test_zoneout_of_one_freezes_all_but_the_counter(name: str, training: bool) -> None:
    cell = build("cell", "zoneout", 3, cell=slot(name, hidden_size=5), output=1.0, state=1.0).train(training)
    start = state_of(cell)
    outputs, after = cell.unroll(randn(BATCH, SOURCE, 3), mask(), (), start)
    assert torch.equal(after.h, start.h)
    assert torch.equal(after.c, start.c)
    assert torch.equal(outputs[0, 0], start.h[0])
    if name == "phased_lstm":
        assert (after.t - start.t).tolist() == list(LENGTHS)


def test_zoneout_is_random_in_training_and_its_expectation_in_evaluation() -> None:
    cell = build("cell", "zoneout", 3, cell=slot("lstm", hidden_size=300), output=0.1, state=0.4)
    x, start = randn(100, 3), LSTMState(randn(100, 300), randn(100, 300) + 1)
    _, new = cell.cell.step(x, (), start)
    _, trained = cell.train().step(x, (), start)
    _, again = cell.step(x, (), start)
    for old, fresh, found, other, rate in zip(start, new, trained, again, (0.1, 0.4), strict=True):
        kept = found == old
        assert torch.equal(found, torch.where(kept, old, fresh))
        # 30,000 draws: five standard deviations are 0.015
        assert float(kept.double().mean()) == pytest.approx(rate, abs=0.015)
        assert not torch.equal(found, other)
    _, expected = cell.eval().step(x, (), start)
    for old, fresh, found, rate in zip(start, new, expected, (0.1, 0.4), strict=True):
        wanted = eq.cell.zoneout([rate] * 300, fresh[7].tolist(), old[7].tolist())
        assert_close(found[7], wanted)


def test_training_is_a_function_of_the_seed() -> None:
    inner = partial(slot("zoneout"), cell=slot("gru", hidden_size=5))
    cell = build("cell", "variational_dropout", 3, cell=inner, input=0.5, recurrent=0.5).train()
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        x = randn(BATCH, SOURCE, 3)
        found.append(cell.unroll(x, mask(), *cell.start(BATCH, x))[0])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_stack_of_one_layer_equals_the_cell() -> None:
    cell = build("cell", "stack", 3, cell=STAND_INS["cell"], layers=1)
    x = randn(BATCH, SOURCE, 3)
    fixed, state = cell.start(BATCH, x)
    wanted, after = cell.cells[0].unroll(x, mask(), fixed[0], state.layers[0])
    found, moved = cell.unroll(x, mask(), fixed, state)
    assert torch.equal(found, wanted)
    assert cell.output(moved) is moved.layers[0].last
    torch.testing.assert_close(moved.layers[0], after, rtol=0, atol=0)
    assert state_layout(cell) == state_layout(cell.cells[0])


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("input_size", [3, 5])
@pytest.mark.parametrize("name", ["lstm", "phased_lstm"])
def test_stack(residual: bool, input_size: int, name: str) -> None:
    cell = build("cell", "stack", input_size, cell=slot(name, hidden_size=5), layers=3, residual=residual)
    steps = [ALL_CELLS[name](layer) for layer in cell.cells]
    x, state = randn(BATCH, SOURCE, input_size), state_of(cell)
    outputs, after = cell.unroll(x, mask(), ((),) * 3, state)
    assert state_layout(cell).sizes == (5, 5) * 3
    for row, length in enumerate(LENGTHS):
        plain = [rows(layer, row) for layer in state.layers]
        last = cell.output(state)[row].tolist()
        for position in range(length):
            last, plain = eq.cell.stack(steps, x[row, position].tolist(), plain, residual=residual)
            assert_close(outputs[row, position], last)
        assert_close(cell.output(after)[row], last)
        for found, wanted in zip(tree.leaves(after.layers), [part for layer in plain for part in layer], strict=True):
            assert_close(found[row], wanted)


def test_a_stack_names_its_gates_by_layer_and_masks_every_layer() -> None:
    cell = build("cell", "stack", 3, cell=slot("gru", hidden_size=5), layers=2, residual=True)
    x, state = randn(BATCH, 3), state_of(cell)
    found = cell.gates(x, ((), ()), state)
    assert list(found) == ["layer1.reset", "layer1.update", "layer2.reset", "layer2.update"]
    below, _ = cell.cells[0].step(x, (), state.layers[0])
    assert_close(found["layer2.update"], cell.cells[1].gates(below, (), state.layers[1])["update"].tolist())
    factors = randn(BATCH, 5)
    output, _ = cell.step_masked(x, factors, ((), ()), state)
    below, _ = cell.cells[0].step_masked(x, factors, (), state.layers[0])
    above, _ = cell.cells[1].step_masked(below, factors, (), state.layers[1])
    assert_close(output, (above + below).tolist())


def test_residual_with_different_sizes_is_refused() -> None:
    with pytest.raises(PartError, match="nothing can be added"):
        build("cell", "stack", 3, cell=slot("gru", hidden_size=5), layers=1, residual=True)
    with pytest.raises(PartError, match="nothing can be added"):
        build("encoder", "rnn", 3, cell=slot("gru", hidden_size=5), residual=True)


@pytest.mark.parametrize("bridge", ["copy", "linear"])
def test_a_bridge_does_not_change_a_step_counter(bridge: str) -> None:
    cell = slot("phased_lstm", hidden_size=5)
    encoder = build("encoder", "rnn", 3, cell=cell)
    sizes = (3, 5, encoder.final_sizes, 7)
    decoder = build("decoder", "plain", *sizes, cell=cell, bridge=bridge, readout=STAND_INS["readout"])
    encoded = encoder(randn(BATCH, SOURCE, 3), mask())
    assert encoder.final_sizes == (5, 5)
    _, (h, c, count) = decoder.start(encoded)
    assert not count.any()
    assert h.any()
    assert c.any()
    if bridge == "copy":
        assert torch.equal(h, encoded.final[0])


def test_bridge_of_a_residual_stack_has_no_unused_parameters() -> None:
    cell = partial(slot("stack"), cell=slot("gru", hidden_size=5), residual=True)
    decoder = build("decoder", "plain", 3, 4, (6,), 7, cell=cell, bridge="linear", readout=STAND_INS["readout"])
    assert len(decoder.bridge.maps) == 2
    encoded = Encoded(randn(BATCH, SOURCE, 4), mask(), (randn(BATCH, 6),))
    features, _, _ = decoder.unroll(randn(BATCH, 2, 3), *decoder.start(encoded))
    features.sum().backward()
    assert all(parameter.grad is not None for parameter in decoder.bridge.parameters())


def test_query_of_the_state_contains_no_counter() -> None:
    cell = build("cell", "phased_lstm", 3, hidden_size=5)
    state = state_of(cell)
    h, c = cell.features(state)
    assert h is state.h is cell.output(state)
    assert c is state.c
    assert state_layout(cell).sizes == (5, 5)
    assert state_layout(cell).inner_sizes == (5,)
